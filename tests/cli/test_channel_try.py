"""`run.py channel try`: the bytes that would be sent, and the first step at which a callback fails, with what to do; and
never a secret."""
from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from engine.cli import door

SECRET = "s3cr3t-of-the-channel"
FILE = """\
id: tiny
title: {zh: 小, en: Tiny}
role: pay
currency: CNY
base: https://tiny.example
constants: {shop: S7}
secrets: {key: {env: TINY_KEY}}
basic: {user: "{shop}", password: "{key}"}
sign: {pairs: {after: "&key={key}"}, hash: md5, encode: HEX, body: {sign: "{signature}"}}
verify: {pairs: {after: "&key={key}"}, hash: md5, encode: HEX, signature: body.sign, fresh: {at: body.time, within: 300s}}
match: {merchant: "{shop}"}
operations:
  pay:
    post: /pay
    form: {no: "{payment.no}", price: "{payment.amount:yuan}", title: "{order.title}"}
    judge: [{http: 200, eq: {code: 0}, then: pending}]
    client: {qr: "{answer.url}"}
notices:
  paid:
    body: form
    when: {eq: {kind: paid}}
    take: {payment_no: no, merchant: shop, amount: {yuan: price}, state: {of: state, done: succeeded}}
    once_by: body.id
    answer: {success: {text: ok}, failure: {status: 400, text: "{reason}"}}
"""
AT_S = 1795262400
AT = "2026-11-21T12:00:00Z"


@pytest.fixture
def file(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("TINY_KEY", SECRET)
    path = tmp_path / "tiny.yaml"
    path.write_text(FILE)
    return path


def enter(capsys, *arguments) -> tuple[int, str]:
    code = door.enter(["channel", "try", *map(str, arguments)])
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err and SECRET.upper() not in said.out
    return code, said.out + said.err


def test_an_operation_is_shown_to_the_byte(file: Path, tmp_path: Path, capsys):
    facts = tmp_path / "facts.yaml"
    facts.write_text("payment.no: P1\npayment.amount: 9.90\norder.title: a & b\n")
    code, said = enter(capsys, file, "pay", "--facts", facts)
    assert code == 0
    signature = hashlib.md5(f"no=P1&price=9.90&title=a & b&key={SECRET}".encode()).hexdigest().upper()
    assert "no=P1&price=9.90&title=a & b&key=‹key›" in said and signature in said
    assert f"body        no=P1&price=9.90&title=a+%26+b&sign={signature}" in said
    assert "request     POST https://tiny.example/pay" in said and "authorization: Basic base64(S7:‹key›)" in said
    assert "made up" not in said


def test_what_is_not_there_is_made_up_and_said(file: Path, capsys, monkeypatch):
    monkeypatch.delenv("TINY_KEY")
    said = enter(capsys, file)[1]
    assert "payment.amount_minor = 990   (made up)" in said and "set the environment variable TINY_KEY" in said


@pytest.mark.parametrize("arguments, told", [
    (("pey",), "has no operation 'pey': it has pay; did you mean 'pay'?"),
    (("--facts", "FACTS"), "there is no fact 'payment.number'; did you mean 'payment."),
    (("--callback", "/nowhere.txt"), "there is no file /nowhere.txt"),
    (("--callback", "FACTS"), "no empty line between headers and body"),
    (("--callback", "CALL", "--at", "noon"), "--at:"),
    (("--callback", "CALL", "--event", "pade"), "say which notice it is with --event: paid (not 'pade')"),
])
def test_a_slip_is_told(file: Path, tmp_path: Path, capsys, arguments, told):
    (tmp_path / "FACTS").write_text("payment.number: P1\n")
    (tmp_path / "CALL").write_text("A: b\n\nx=1")
    code, said = enter(capsys, file, *(tmp_path / a if a in ("FACTS", "CALL") else a for a in arguments))
    assert code == 1 and told in said


def call(fields: dict, key: str = SECRET, sort: bool = True, upper: bool = True, text: str = "") -> str:
    entries = [f"{name}={value}" for name, value in (sorted(fields.items()) if sort else fields.items()) if value != ""]
    digest = hashlib.md5(f"{'&'.join(entries)}&key={key}".encode()).hexdigest()
    body = "&".join(f"{name}={value}" for name, value in {**fields, "sign": digest.upper() if upper else digest}.items())
    return f"POST /v1/notices/tiny/paid HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n\n{text or body}\n"


FIELDS = {"no": "P1", "shop": "S7", "price": "9.90", "state": "done", "kind": "paid", "id": "E1", "time": str(AT_S), "more": ""}
CASES = {
    "good": (call(FIELDS), AT, 0, ["6 holds  name the event", "amount_minor = 990", "200 text/plain; charset=utf-8 ok"]),
    "late": (call(FIELDS), "2026-11-21T13:00:00Z", 1, ["2 FAILS  verify", "3600 s off our clock", "--at"]),
    "another key": (call(FIELDS, key="other"), AT, 1, ["2 FAILS  verify", "covers    id=E1&kind=paid", "&key=‹key›", "Compare it"]),
    "lower case": (call(FIELDS, upper=False), AT, 1, ["2 FAILS  verify", "It does match with `encode: hex`."]),
    "unsorted": (call(FIELDS, sort=False), AT, 1, ["It does match with `sort: none`."]),
    "unsorted, lower case": (call(FIELDS, sort=False, upper=False), AT, 1, ["with `sort: none` and with `encode: hex`."]),
    "unsigned": (call(FIELDS, text="no=P1"), AT, 1, ["sign is missing", "looks for the signature at body.sign", "headers that came: content-type"]),
    "another shop": (call({**FIELDS, "shop": "S8"}), AT, 1, ["5 FAILS  match", "'S8' (ours: 'S7')"]),
    "another kind": (call({**FIELDS, "kind": "joined"}), AT, 1, ["4 FAILS  when"]),
    "a new word": (call({**FIELDS, "state": "half"}), AT, 1, ["4 FAILS  take", "a value that is not listed"]),
    "not a form": (call(FIELDS, text="a=1&a=2"), AT, 1, ["1 FAILS  read the body", "repeats a field"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_callback_is_gone_through_to_the_first_step_that_fails(file: Path, tmp_path: Path, capsys, name):
    text, at, expected, told = CASES[name]
    pasted = tmp_path / "call.txt"
    pasted.write_text(text)
    code, said = enter(capsys, file, "--callback", pasted, "--at", at)
    assert code == expected
    assert [line for line in told if line not in said] == [], said


def test_no_secret_of_any_shipped_channel_is_shown(capsys, tmp_path: Path, monkeypatch):
    """Secrets from the environment, however they are used: none comes out, only names."""
    from engine.config.likeness import merged_all
    from engine.config.reader import read_text
    from tests.support.source import ROOT

    documents = merged_all({path.stem: read_text(path.read_bytes(), path.name)[0].data for path in (ROOT / "channels").glob("*.yaml")})
    values = {reference["env"]: f"hush{number:03d}0123456789abcdef01234567"[:32] for number, reference in enumerate(
        reference for doc in documents.values() for reference in doc.get("secrets", {}).values()
        if "env" in reference and reference.get("as", "text") == "text")}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for channel in sorted(documents):
        assert door.enter(["channel", "try", channel]) == 0
        said = capsys.readouterr().out
        assert "hush" not in said, channel
