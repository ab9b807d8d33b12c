"""Bodies and encodings: a tree of plain values ↔ bytes. What arrives is read strictly: no duplicate keys, no floats, no
document types, bounded depth.
"""
from __future__ import annotations

import base64
import binascii
import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Any, Callable, Mapping, NamedTuple
from urllib.parse import quote, quote_plus, unquote
from xml.parsers import expat
from xml.sax.saxutils import escape

from ..base import canon
from .model import Unreadable

_DEPTH_MAX = 32
_FIELDS_MAX = 2000


# --- JSON

def write_json(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_json_plain).encode()


def _json_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise Unreadable("the JSON repeats a key")   # two readers could see two different messages
    return tree


def _no_constant(word: str) -> Any:
    raise Unreadable(f"{word} is not JSON")


_HALF = re.compile(r"\\u[dD][89a-fA-F]")            # half a character, unless its other half follows


def read_json(text: str | bytes) -> Any:
    """JSON → plain values; numbers with a point are Decimal, so that no amount passes through a float."""
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        tree = json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique)
        if not text.isascii() or _HALF.search(text):
            write_json(tree)                   # what can't be written again could neither be signed nor kept
    except Unreadable:
        raise
    except (ValueError, RecursionError):
        raise Unreadable("the body is not valid JSON") from None
    if text.count("{") + text.count("[") > _DEPTH_MAX and canon.is_deeper(tree, _DEPTH_MAX):
        raise Unreadable("the JSON is nested too deeply")
    return tree


def raw_member(text: str, name: str) -> str:
    """The exact text of a top-level member of a JSON object, as it stands in the message (some senders sign that).

    `name` may begin with `*`: the first member that ends so. Unreadable when there is none.
    """
    decoder = json.JSONDecoder()
    at = _skip(text, 0, "{")
    while True:
        key, at = _scan(decoder, text, _skip(text, at))
        start = _skip(text, at, ":")
        start = _skip(text, start)
        _, end = _scan(decoder, text, start)
        if isinstance(key, str) and (key == name or (name.startswith("*") and key.endswith(name[1:]))):
            return text[start:end]
        at = _skip(text, end)
        if text[at:at + 1] != ",":
            raise Unreadable(f"the JSON has no member {name}")
        at += 1


def _scan(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, at)
    except (ValueError, RecursionError):
        raise Unreadable("the body is not a JSON object") from None


def _skip(text: str, at: int, mark: str = "") -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if mark and text[at:at + 1] != mark:
        raise Unreadable("the body is not a JSON object")
    return at + len(mark)


# --- forms

_QUOTED = re.compile(r"[^A-Za-z0-9_.~-]")


def write_form(tree: Mapping[str, Any], text_of: Callable[[Any], str]) -> bytes:
    return "&".join([f"{_form_text(k)}={_form_text(text_of(v))}" for k, v in tree.items()]).encode()


def _form_text(text: str) -> str:
    """`quote_plus`, which looks at each character for long: at a signature's 344, and few of them need it."""
    return _QUOTED.sub(_for_form, text)


def _for_form(found: re.Match[str]) -> str:
    return _quoted_character(found[0])


@lru_cache(maxsize=4096)
def _quoted_character(character: str) -> str:
    return quote_plus(character)


def read_form(text: bytes | str) -> dict[str, str]:
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        parts = [part.partition("=") for part in text.split("&") if part]
        pairs = [(_plain(name), _plain(value)) for name, _, value in parts[:_FIELDS_MAX + 1]]
    except ValueError:
        raise Unreadable("the body is not a form") from None
    if len(pairs) > _FIELDS_MAX:
        raise Unreadable("the form has too many fields")
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise Unreadable("the form repeats a field")
    return tree


def _plain(text: str) -> str:
    """A name or value of a form (WHATWG URL §5.1), strictly UTF-8; most are plain as they are."""
    text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text


def write_query(tree: Mapping[str, Any], text_of: Callable[[Any], str]) -> str:
    return "&".join(f"{quote(k, safe='')}={quote(text_of(v), safe='')}" for k, v in tree.items())


def flatten_brackets(tree: Any, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": [1]}} → {"a[b][0]": 1}."""
    if isinstance(tree, Mapping):
        parts = [(f"{prefix}[{k}]" if prefix else str(k), v) for k, v in tree.items()]
    elif isinstance(tree, (list, tuple)):
        parts = [(f"{prefix}[{i}]", v) for i, v in enumerate(tree)]
    else:
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for name, value in parts:
        flat.update(flatten_brackets(value, name))
    return flat


_BRACKET = re.compile(r"[^\[\]]+")


def nest_brackets(flat: Mapping[str, str]) -> dict[str, Any]:
    """{"a[b][0]": "1"} → {"a": {"b": {"0": "1"}}}; positions stay text keys, and paths find them all the same."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        words = _BRACKET.findall(name)
        if not words or len(words) > _DEPTH_MAX:
            raise Unreadable("the form has a malformed field name")
        node = tree
        for word in words[:-1]:
            node = node.setdefault(word, {})
            if not isinstance(node, dict):
                raise Unreadable("the form uses a field both as a value and as a group")
        if words[-1] in node:
            raise Unreadable("the form repeats a field, or uses it both as a value and as a group")
        node[words[-1]] = value
    return tree


# --- XML

def write_xml(tree: Mapping[str, Any], text_of: Callable[[Any], str], root: str = "xml") -> bytes:
    return f"<{root}>{_elements(tree, text_of)}</{root}>".encode()


def _elements(tree: Mapping[str, Any], text_of: Callable[[Any], str]) -> str:
    out = []
    for name, value in tree.items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            inner = _elements(one, text_of) if isinstance(one, Mapping) else escape(text_of(one))
            out.append(f"<{name}>{inner}</{name}>")
    return "".join(out)


class _XmlReader:
    """Builds {name: text | {…} | [ … ]} from expat's events; a document type is refused, so no entity is declared."""

    def __init__(self) -> None:
        self.stack: list[tuple[dict[str, Any], list[str]]] = [({}, [])]
        self.names: list[str] = []

    def start(self, name: str, _: Any) -> None:
        if len(self.stack) > _DEPTH_MAX:
            raise Unreadable("the XML is nested too deeply")
        self.stack.append(({}, []))
        self.names.append(name)

    def end(self, name: str) -> None:
        children, texts = self.stack.pop()
        self.names.pop()
        value = children or "".join(texts)
        parent = self.stack[-1][0]
        if name in parent:
            held = parent[name]
            parent[name] = [*held, value] if isinstance(held, list) else [held, value]
        else:
            parent[name] = value

    def text(self, data: str) -> None:
        self.stack[-1][1].append(data)

    def refuse(self, *_: Any) -> None:
        raise Unreadable("the XML carries a document type")


def read_xml(text: bytes) -> Any:
    """XML → the content of its root element. Attributes and namespaces are left out; repeated elements make a list."""
    reader, parser = _XmlReader(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = reader.text, reader.refuse
    try:
        parser.Parse(text, True)
    except Unreadable:
        raise
    except (expat.ExpatError, ValueError, LookupError):    # the last two: an encoding that expat does not know
        raise Unreadable("the body is not valid XML") from None
    tree = reader.stack[0][0]
    return next(iter(tree.values()), {}) or {}


# --- multipart (RFC 7578)

# One boundary for all, so that the same request is the same bytes; a text that holds it is refused.
BOUNDARY = "salewright-5d41b0c2f8a94e6793"


def write_multipart(tree: Mapping[str, Any], text_of: Callable[[Any], str]) -> bytes:
    """A field is a text, or {text, name?, type?} for a part with a file's name or a content type of its own; {base64, …} for
    one of bytes that are given so."""
    out = []
    for field, value in tree.items():
        part = value if isinstance(value, Mapping) and ("text" in value or "base64" in value) else {"text": value}
        name = part.get("name")
        content = decode_bytes(text_of(part["base64"]), "base64") if "base64" in part else text_of(part["text"]).encode()
        file = f'; filename="{_quoted(text_of(name))}"' if name else ""
        head = f'Content-Disposition: form-data; name="{_quoted(field)}"{file}'
        kind = f"\r\nContent-Type: {_quoted(text_of(part['type']))}" if "type" in part else ""
        if BOUNDARY.encode() in content:
            raise Unreadable("a part holds the boundary that ends parts")
        out += [f"--{BOUNDARY}\r\n{head}{kind}\r\n\r\n".encode(), content, b"\r\n"]
    return b"".join(out) + f"--{BOUNDARY}--\r\n".encode()


def _quoted(text: str) -> str:
    if not text.isprintable() or '"' in text:
        raise Unreadable("a part's name can't hold quotes or line breaks")
    return text


_PART_NAME = re.compile(r'[;\s]name="([^"]*)"', re.IGNORECASE)


def read_multipart(body: bytes) -> dict[str, str]:
    """{field: text}, whatever the boundary: it is the first line."""
    mark, _, rest = body.partition(b"\r\n")
    pieces = (b"\r\n" + rest).split(b"\r\n" + mark)
    if not mark.startswith(b"--") or len(pieces) < 2 or pieces[-1].strip() != b"--" or len(pieces) > _FIELDS_MAX:
        raise Unreadable("the body is not a multipart form")
    tree: dict[str, str] = {}
    for piece in pieces[:-1]:
        head, gap, text = piece.partition(b"\r\n\r\n")
        named = _PART_NAME.search(head.decode("utf-8", "replace"))
        if not gap or named is None or named[1] in tree:
            raise Unreadable("a part of the form has no name, or another one's")
        tree[named[1]] = text.decode("utf-8", "surrogateescape")
    return tree


# --- bodies by name

class Codec(NamedTuple):
    content_type: str
    write: Callable[..., bytes]
    read: Callable[[bytes], Any]


CODECS = {
    "json": Codec("application/json", lambda tree, text_of: write_json(tree), read_json),
    "form": Codec("application/x-www-form-urlencoded", write_form, read_form),
    "form_brackets": Codec("application/x-www-form-urlencoded",
                           lambda tree, text_of: write_form(flatten_brackets(tree), text_of),
                           lambda body: nest_brackets(read_form(body))),
    "xml": Codec("text/xml; charset=utf-8", write_xml, read_xml),
    "multipart": Codec(f"multipart/form-data; boundary={BOUNDARY}", write_multipart, read_multipart),
    "text": Codec("text/plain; charset=utf-8", lambda tree, text_of: text_of(tree).encode(),
                  lambda body: body.decode("utf-8", "replace")),
}


def read_body(kind: str, body: bytes) -> Any:
    """A body of a kind named in `CODECS` → plain values; an empty body is an empty tree."""
    return CODECS[kind].read(body) if body.strip() else {}


# --- bytes as text

def encode_bytes(raw: bytes, encoding: str) -> str:
    if encoding == "base64":
        return base64.b64encode(raw).decode()
    if encoding == "base64url":
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return raw.hex().upper() if encoding == "HEX" else raw.hex()


def decode_bytes(text: str, encoding: str) -> bytes:
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "base64url":
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return bytes.fromhex(text) if re.fullmatch(r"[0-9a-fA-F]*", text) else _not_hex()
    except (ValueError, binascii.Error):
        raise Unreadable(f"the text is not {encoding}") from None


def _not_hex() -> bytes:
    raise ValueError("not hexadecimal")


ENCODINGS = ("base64", "base64url", "hex", "HEX")
