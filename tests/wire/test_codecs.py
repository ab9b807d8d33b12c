"""Bodies and encodings: what is written can be read, and what can't be read for sure is refused."""
from __future__ import annotations

import base64
from decimal import Decimal
from email import message_from_bytes
from email.policy import HTTP
from urllib.parse import parse_qsl, quote_plus

import pytest
from hypothesis import given, strategies as st

from engine.wire import casts, codecs
from engine.wire.model import Unreadable

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
PLAIN = st.recursive(st.none() | st.booleans() | st.integers(-10 ** 15, 10 ** 15) | TEXTS,
                     lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


@given(st.dictionaries(NAMES, PLAIN))
def test_json_comes_back(tree):
    assert codecs.read_json(codecs.write_json(tree)) == tree


@given(st.dictionaries(TEXTS.filter(bool), TEXTS))
def test_forms_come_back_and_mean_the_same_to_others(tree):
    body = codecs.write_form(tree, casts.as_text)
    assert codecs.read_form(body) == tree
    assert dict(parse_qsl(body.decode(), keep_blank_values=True)) == tree


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_form_quotes_as_python_does(text):
    assert codecs.write_form({"a": text}, casts.as_text).decode() == f"a={quote_plus(text)}"


def test_half_a_character_is_in_no_form():
    with pytest.raises(UnicodeEncodeError):
        codecs.write_form({"a": "\ud83d"}, casts.as_text)


@given(st.text("ab=&+%0279fEAx\u4e2d", max_size=30))
def test_a_form_is_read_as_python_does(text):
    def read(reader):
        try:
            pairs = reader()
        except ValueError:
            return "refused"
        return pairs if len(dict(pairs)) == len(pairs) else "refused"
    assert read(lambda: list(codecs.read_form(text).items())) == \
        read(lambda: parse_qsl(text, keep_blank_values=True, errors="strict"))


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, TEXTS, min_size=1) | TEXTS, min_size=1))
def test_brackets_come_back(tree):
    body = codecs.CODECS["form_brackets"].write(tree, casts.as_text)
    assert codecs.CODECS["form_brackets"].read(body) == tree


@given(st.dictionaries(NAMES, TEXTS.map(str.strip) | st.dictionaries(NAMES, TEXTS.map(str.strip), min_size=1), min_size=1))
def test_xml_comes_back(tree):
    assert codecs.read_xml(codecs.write_xml(tree, casts.as_text)) == tree


@given(st.dictionaries(NAMES, st.text(max_size=20).filter(lambda t: not any("\ud800" <= c < "\ue000" for c in t)), min_size=1))
def test_multipart_comes_back_and_means_the_same_to_others(tree):
    body = codecs.write_multipart(tree, casts.as_text)
    assert codecs.read_multipart(body) == tree
    message = message_from_bytes(f"Content-Type: {codecs.CODECS['multipart'].content_type}\r\n\r\n".encode() + body, policy=HTTP)
    assert {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in message.iter_parts()
            } == {name: text.encode() for name, text in tree.items()}


def test_parts_of_a_multipart_form_and_the_same_bytes_each_time():
    tree = {"meta": {"type": "application/json", "text": {"a": 1}}, "file": {"name": "对.csv", "type": "text/csv", "text": "1,2\n"}}
    mark = f"--{codecs.BOUNDARY}"
    assert codecs.write_multipart(tree, casts.as_text).decode() == (
        f'{mark}\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n{{"a":1}}\r\n'
        f'{mark}\r\nContent-Disposition: form-data; name="file"; filename="对.csv"\r\nContent-Type: text/csv\r\n\r\n1,2\n\r\n'
        f"{mark}--\r\n")


PIXEL = bytes(range(256)) + b"\r\n--x\r\n"


def test_a_part_of_bytes_arrives_as_they_are():
    given = {"no": "1", "photo": {"base64": base64.b64encode(PIXEL).decode(), "name": "a.png", "type": "image/png"}}
    body = codecs.write_multipart(given, casts.as_text)
    message = message_from_bytes(f"Content-Type: {codecs.CODECS['multipart'].content_type}\r\n\r\n".encode() + body, policy=HTTP)
    no, photo = message.iter_parts()
    assert photo.get_payload(decode=True) == PIXEL and photo.get_filename() == "a.png" and photo.get_content_type() == "image/png"
    assert casts.as_bytes(codecs.read_multipart(body)["photo"]) == PIXEL


@pytest.mark.parametrize("tree", [
    {"a": {"base64": "no base64!"}}, {"a": {"base64": base64.b64encode(codecs.BOUNDARY.encode()).decode()}},
    {"a": f"x{codecs.BOUNDARY}y"}, {'a"b': "x"}, {"a": {"text": "x", "name": 'x"; name="b'}}, {"a": {"text": "x", "name": "x\r\nX: y"}},
    {"a": {"text": "x", "type": "text/plain\r\n\r\nx"}}])
def test_nobody_ends_a_part_before_its_end(tree):
    with pytest.raises(Unreadable):
        codecs.write_multipart(tree, casts.as_text)


def test_xml_lists_are_repeated_elements():
    assert codecs.write_xml({"a": ["1", {"b": "<&>"}]}, casts.as_text) == b"<xml><a>1</a><a><b>&lt;&amp;&gt;</b></a></xml>"
    assert codecs.read_xml(b"<xml><a>1</a><a><b>2</b></a><a>3</a><c><![CDATA[<x>]]></c></xml>") == \
        {"a": ["1", {"b": "2"}, "3"], "c": "<x>"}


def test_json_is_read_to_its_limits():
    assert codecs.read_json(b"[" * 32 + b"]" * 32) and codecs.read_json(b'\xef\xbb\xbf["\\ud83d\\ude00", "\\\\ud800"]') == ["😀", "\\ud800"]
    assert codecs.read_json('"' + "[" * 50 + '"') == "[" * 50


def test_numbers_with_a_point_are_never_floats():
    assert codecs.read_json('{"a": 9.90, "b": 1e2}') == {"a": Decimal("9.90"), "b": Decimal("1E+2")}
    assert casts.as_text(codecs.read_json('{"a": 9.90}')["a"]) == "9.90"


@pytest.mark.parametrize("kind, body", [
    ("json", b'{"a": 1, "a": 2}'), ("json", b'{"a": NaN}'), ("json", b'{"a": '), ("json", b"\xff"),
    ("json", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), ("json", b'{"a": ' + b"9" * 5000 + b"}"),
    ("json", b"[" * 33 + b"]" * 33), ("json", b'{"a": "\\ud800"}'), ("json", b'{"\\uDFFF": 1}'), ("json", b'"\xed\xa0\x80"'),
    ("json", '{"a": 1}'.encode("utf-16")),
    ("form", b"a=1&a=2"), ("form", b"a=%ff"), ("form", b"&".join(b"a%d=1" % n for n in range(2001))),
    ("form_brackets", b"a=1&a[b]=2"), ("form_brackets", b"a[b]=1&a=2"), ("form_brackets", b"a[b]=1&a[[b]]=2"), ("form_brackets", b"[]=1"), ("form_brackets", b"a" + b"[b]" * 40 + b"=1"),
    ("multipart", b"a=1"), ("multipart", b"--x\r\n\r\na\r\n--x--"), ("multipart", b'--x\r\nA: form-data; name="a"\r\n\r\n1'),
    ("multipart", b'--x\r\nA: d; name="a"\r\n\r\n1\r\n--x\r\nA: d; name="a"\r\n\r\n2\r\n--x--'),
    ("xml", b"<a><b></a>"), ("xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"), ("xml", b"<a>" * 40 + b"</a>" * 40),
    ("xml", b"<!DOCTYPE x SYSTEM 'file:///etc/hostname'><x/>"), ("xml", b"plain"),
    ("xml", b"<?xml version='1.0' encoding='GBK'?><x>1</x>"), ("xml", b"<?xml version='1.0' encoding='none-such'?><x>1</x>"),
], ids=lambda v: v[:24].decode("latin1") if isinstance(v, bytes) else v)
def test_what_can_be_read_in_two_ways_is_refused(kind, body):
    with pytest.raises(Unreadable):
        codecs.read_body(kind, body)


@pytest.mark.parametrize("kind", sorted(codecs.CODECS))
def test_an_empty_body_is_an_empty_tree(kind):
    assert codecs.read_body(kind, b" \r\n") == {}


@given(st.binary(max_size=40), st.sampled_from(codecs.ENCODINGS))
def test_encoded_bytes_come_back(raw, encoding):
    assert codecs.decode_bytes(codecs.encode_bytes(raw, encoding), encoding) == raw


@pytest.mark.parametrize("text, encoding", [("ab c=", "base64"), ("a", "base64"), ("YQ==\n", "base64"), ("YQ", "base64"),
                                            ("0", "hex"), ("zz", "hex"), ("0 1", "hex"), ("ä", "hex")])
def test_sloppy_encodings_are_refused(text, encoding):
    with pytest.raises(Unreadable):
        codecs.decode_bytes(text, encoding)


@pytest.mark.parametrize("text, name, expected", [
    ('{"a_response":{"x":"}"},"sign":"s"}', "a_response", '{"x":"}"}'),
    (' { "sign" : "s" , "a_response" : { "x" : "\\"}" } } ', "*_response", '{ "x" : "\\"}" }'),
    ('{"a":[1,{"b":2}],"b_response":"text"}', "*_response", '"text"'),
    ('{"a":1}', "a", "1"),
])
def test_a_member_as_it_stands(text, name, expected):
    assert codecs.raw_member(text, name) == expected


@pytest.mark.parametrize("text", ['{"b":1}', "[]", "", '{"b"', '{"b":', '{"b":1', '{"b":1;"a":2}', "{1:2}"])
def test_a_member_that_is_not_there(text):
    with pytest.raises(Unreadable):
        codecs.raw_member(text, "a")


@given(st.dictionaries(NAMES, PLAIN, min_size=1), st.data())
def test_a_member_as_it_stands_is_the_member(tree, data):
    name = data.draw(st.sampled_from(sorted(tree)))
    text = codecs.write_json(tree).decode()
    assert codecs.read_json(codecs.raw_member(text, name)) == tree[name]
