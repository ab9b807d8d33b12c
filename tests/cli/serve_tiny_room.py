"""What rooms provide to `serve`, in the tests of it."""


def first_login():
    return "admin", "s3cret"


def first_key():
    return "key-1"
