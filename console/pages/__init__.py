"""The rooms people work in, one module a room."""
