"""Statements from a real server: fetched, unpacked, decoded, cut into rows; and whatever can go wrong with each."""
from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from typing import Any, Iterator

import pytest

from engine.base import clock
from engine.config import shape
from engine.wire import check_channel, run_example, sending, statement, statements
from engine.wire.channel import Channel
from engine.wire.compile import compile_channel
from engine.wire.model import Reply, Unreadable, WireError
from engine.wire.secrets import Given
from engine.wire.statements import Statement

from .authority import Serving, serving
from .making import AT_MS, OURS, plain, rsa, secrets

CSV = """\
#账单 2019-04-02
交易时间,商户订单号,微信订单号,交易状态,订单金额,退款金额,手续费,商户退款单号,No.
`2019-04-02 20:34:20\t,`P1,`4200,`SUCCESS,`"1,234.50",`0.00,`7.41,`,`1
`2019-04-02 21:00:00,`P1,`4200,`REFUND,`0.00,`-9.90,`-0.06,`R1,`2
`2019-04-02 21:00:00,`P2,`4201,`REVOKED,`5.00,`0.00,`0.00,`,`3
总交易单数,总金额
`3,`1239.50
"""
CSV = CSV.replace('`"1,234.50"', '"`1,234.50"')
ROWS = [
    {"kind": "payment", "payment_no": "P1", "channel_no": "4200", "amount_minor": 123450, "fee_minor": 741, "currency": "CNY",
     "at_ms": AT_MS},
    {"kind": "refund", "payment_no": "P1", "channel_no": "4200", "refund_no": "R1", "amount_minor": 990, "fee_minor": -6,
     "currency": "CNY", "at_ms": AT_MS + 1540_000}]
FILE: dict[str, Any] = {
    "csv": {"skip": "#", "until": "总交易单数", "strip": "`"},
    "take": {"payment_no": "商户订单号", "channel_no": "微信订单号", "refund_no": "商户退款单号",
             "at": {"%Y-%m-%d %H:%M:%S": "交易时间"}, "fee": {"yuan": "手续费"}},
    "rows": [{"when": {"eq": {"交易状态": "SUCCESS"}}, "take": {"kind": {"is": "payment"}, "amount": {"yuan": "订单金额"}}},
             {"when": {"eq": {"交易状态": "REFUND"}}, "take": {"kind": {"is": "refund"}, "amount": {"yuan": "退款金额"}}},
             {"when": {"eq": {"交易状态": "REVOKED"}}, "skip": True}]}


def doc(base: str = "https://gateway.example", file: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    asked = {"get": "/bills", "query": {"day": "{statement.from:%Y%m%d}"}, "verify": "none", "answer": "text",
             "file": {**FILE, **(file or {})},
             "judge": [{"http": 200, "then": "succeeded"}, {"http": 404, "then": "absent"}, {"http": 429, "then": "busy"}]}
    made = plain(base=base, zone="Asia/Shanghai")
    made["operations"]["statement"] = {**asked, **changes}
    return made


def channel(document: dict[str, Any]) -> Channel:
    assert shape.faults("channels", document) == [] and check_channel(document) == []
    return compile_channel(document, Given(secrets()))


class Bank:
    """Answers by path; keeps each request's path and headers."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        return self.answers.get(request.path.partition("?")[0], (404, {}, b""))


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def server(bank: Bank) -> Iterator[Serving]:
    clock.set_to(AT_MS)
    with serving(bank) as running:
        yield running


def fetched(server: Serving, **file: Any) -> Statement:
    return statement(channel(doc(f"http://{server.address}", file)), "2019-04-02")


def by_address(server: Serving, bank: Bank, body: bytes, url: str = "/files/1?token=t%2F1", **file: Any) -> Statement:
    """The answer names an address, and the file lies there."""
    address = url if "://" in url else f"http://{server.address}{url}"
    bank.answers["/bills"] = (200, {}, json.dumps({"url": address, "sha1": hashlib.sha1(CSV.encode()).hexdigest()}).encode())
    bank.answers["/files/1"] = (200, {}, body)
    document = doc(f"http://{server.address}", {"url": "url", **file}, answer="json")
    return statement(channel(document), "2019-04-02")


def test_the_answer_is_the_file(server, bank):
    bank.answers["/bills"] = (200, {}, CSV.encode())
    assert fetched(server) == Statement("succeeded", ROWS)
    (path, headers), = bank.asked
    assert path == "/bills?day=20190402" and "x-sign" in headers


def test_the_answer_names_the_address_of_the_file(server, bank):
    assert by_address(server, bank, CSV.encode()) == Statement("succeeded", ROWS)
    assert [path for path, _ in bank.asked] == ["/bills?day=20190402", "/files/1?token=t%2F1"]
    assert "x-sign" not in bank.asked[1][1]


def test_a_download_that_is_signed(server, bank):
    assert by_address(server, bank, CSV.encode(), signed=True).rows == ROWS
    path, headers = bank.asked[1]
    assert headers["x-sign"] == rsa(OURS, f"GET\n{path}\n{headers['x-time']}\n{headers['x-nonce']}\n\n")


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


@pytest.mark.parametrize("body, file", [
    (gzip.compress(CSV.encode()), {"unpack": "gzip"}),
    (zipped(a=CSV.encode()), {"unpack": "zip"}),
    (zipped(明细=CSV.encode(), 汇总=b"x"), {"unpack": {"zip": "*明细*"}}),
    (CSV.encode("gb18030"), {"charset": "gb18030"}),
    (CSV.encode("utf-8-sig"), {}),
    (CSV.encode().replace(b"\n", b"\r\n"), {}),
    (CSV.encode(), {"digest": {"sha1": "sha1"}}),
    (gzip.compress(CSV.encode()), {"digest": {"sha1": "sha1"}, "unpack": "gzip"}),
], ids=["gzip", "zip", "one of a zip", "gb18030", "with a mark", "lines of Windows", "with a digest", "gzip with a digest"])
def test_how_a_file_may_be_packed_and_written(server, bank, body, file):
    assert by_address(server, bank, body, **file) == Statement("succeeded", ROWS)


def test_names_in_an_archive_that_were_written_in_chinese(server, bank):
    name = "账单明细.csv".encode("gb18030").decode("cp437")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a")
        archive.writestr(info, CSV.encode())
    raw = out.getvalue()
    file = channel(doc(file={"unpack": {"zip": "*明细*"}})).operations["statement"].file
    info = zipfile.ZipInfo(name)
    info.flag_bits = 0
    assert statements._name(info) == "账单明细.csv"
    with pytest.raises(Unreadable, match="0 files"):
        statements.unpacked(file, raw)


@pytest.mark.parametrize("answer, state", [((404, {}, b""), "absent"), ((429, {}, b""), "busy"), ((500, {}, b""), "unknown")])
def test_what_the_channel_says_instead(server, bank, answer, state):
    bank.answers["/bills"] = answer
    found = fetched(server)
    assert (found.state, list(found.rows)) == (state, [])


def test_nobody_there():
    found = statement(channel(doc("http://127.0.0.1:1")), "2019-04-02")
    assert (found.state, list(found.rows)) == ("failed", []) and found.reason


@pytest.mark.parametrize("body, file, said", [
    (CSV.replace("SUCCESS", "NEW").encode(), {}, "line 3 is of no kind"),
    (CSV.replace("20:34:20", "").encode(), {}, "line 3: at can't be read"),
    (CSV.replace("1,234.50", "1,23.50").encode(), {}, "line 3: amount"),
    (CSV.replace("-9.90", "--9.90").encode(), {}, "line 4: amount"),
    (CSV.replace("-9.90", "").encode(), {}, "line 4: amount_minor is missing"),
    (CSV.replace(",`1\n", "\n").encode(), {}, "line 3 has 8 values, there are 9 columns"),
    (CSV.partition("总交易单数")[0].encode(), {}, "without its footer"),
    (CSV.replace("手续费", "费用").encode(), {}, "there is no column 手续费"),
    (b"", {}, "without its footer"), (b"#x\n", {"csv": {"skip": "#"}}, "no line with the columns' names"),
    (CSV.encode(), {"unpack": "gzip"}, "no gzip archive"), (CSV.encode(), {"unpack": "zip"}, "no zip archive"),
    (gzip.compress(CSV.encode())[:-9], {"unpack": "gzip"}, "no gzip archive"),
    (zipped(a=b"", b=b""), {"unpack": "zip"}, "2 files"),
    (CSV.encode("gb18030"), {}, "not written in utf-8"), (b'a,"b', {"csv": {}}, "line 1"),
    (CSV.encode() + b" ", {"digest": {"sha1": "sha1"}}, "its sha1 is not"),
])
def test_a_file_that_can_not_be_read_gives_no_row(server, bank, body, file, said):
    found = by_address(server, bank, body, **file)
    assert (found.state, list(found.rows)) == ("unknown", [])
    assert said in found.reason


@pytest.mark.parametrize("url", ["http://evil.example/f", "https://evil.example/f", "file:///etc/passwd", "https://[/f", "", "//x",
                                 "http://127.0.0.1:1/f"])
def test_a_file_is_fetched_from_no_other_host(server, bank, url):
    found = by_address(server, bank, CSV.encode(), url if "://" in url else f"{url}://")
    assert found.state == "unknown" and "not one that the channel file allows" in found.reason
    assert len(bank.asked) == 1


def test_an_address_of_the_list_is_asked_over_tls_however_it_is_written(server, bank, monkeypatch):
    asked = []
    monkeypatch.setattr(sending, "fetch", lambda ch, address, *more: asked.append(address) or Reply(200, {}, CSV.encode()))
    assert by_address(server, bank, b"", "http://files.example/f?a=1", hosts=["files.example"]).rows == ROWS
    assert asked == ["https://files.example/f?a=1"]


def test_a_file_may_lie_on_a_host_of_the_list(server, bank):
    other = Bank()
    with serving(other) as files:
        other.answers["/f"] = (200, {}, CSV.encode())
        assert by_address(server, bank, b"", f"http://{files.address}/f", hosts=[files.address]).rows == ROWS
        assert by_address(server, bank, b"", f"http://{files.address}/f").state == "unknown"


def test_no_redirect_is_followed(server, bank):
    found = by_address(server, bank, b"")
    bank.answers["/files/1"] = (302, {"location": f"http://{server.address}/other"}, b"")
    bank.answers["/other"] = (200, {}, CSV.encode())
    found = statement(channel(doc(f"http://{server.address}", {"url": "url"}, answer="json")), "2019-04-02")
    assert found.state == "unknown" and "status 302" in found.reason


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(statements, "UNPACKED_BYTES_MAX", 1000)
    for kind, body in (("gzip", gzip.compress(b"x" * 1001)), ("zip", zipped(a=b"x" * 1001))):
        file = channel(doc(file={"unpack": kind})).operations["statement"].file
        with pytest.raises(Unreadable, match="larger than 1000"):
            statements.unpacked(file, body)


def test_not_inside_a_transaction(server):
    sending.forbid_in(lambda: True)
    try:
        with pytest.raises(WireError, match="inside a database transaction"):
            fetched(server)
    finally:
        sending.forbid_in(lambda: False)
    with pytest.raises(WireError, match="is no date"):
        statement(channel(doc()), "yesterday")


# --- JSON, in pages

def listed(server: Serving, pages: dict[str, Any] | None, **changes: Any) -> Statement:
    file = {"json": "data", "take": {"kind": {"of": "type", "charge": "payment", "refund": "refund", "else": "other"},
                                     "channel_no": "id", "amount": {"fen": "amount"}, "fee": {"-fen": "fee"},
                                     "at": {"unix": "created"}, "currency": {"upper": "currency"}}}
    document = doc(f"http://{server.address}", answer="json", **changes)
    document["operations"]["statement"]["file"] = {**file, **({"pages": pages} if pages else {})}
    return statement(channel(document), "2019-04-02")


def entry(number: int, type_: str = "charge") -> dict[str, Any]:
    return {"id": f"t{number}", "type": type_, "amount": -number, "fee": -1, "created": AT_MS // 1000, "currency": "usd"}


def a_row(number: int, kind: str = "payment") -> dict[str, Any]:
    return {"kind": kind, "channel_no": f"t{number}", "amount_minor": number, "fee_minor": 1, "at_ms": AT_MS, "currency": "USD"}


def test_rows_as_json(server, bank):
    bank.answers["/bills"] = (200, {}, json.dumps({"data": [entry(1), entry(2, "refund"), entry(3, "payout")]}).encode())
    assert listed(server, None).rows == [a_row(1), a_row(2, "refund"), a_row(3, "other")]
    bank.answers["/bills"] = (200, {}, b'{"data": []}')
    assert listed(server, None) == Statement("succeeded", [])


@pytest.mark.parametrize("pages, queries", [
    ({"while": {"eq": {"more": True}}, "query": {"after": "{last.id}"}}, ["", "&after=t2", "&after=t4"]),
    ({"size": 2, "query": {"page": "{page}"}}, ["", "&page=2", "&page=3"]),
    ({"size": 2, "query": {"skip": "{skipped}"}}, ["", "&skip=2", "&skip=4"]),
])
def test_pages(server, bank, pages, queries):
    answers = [{"data": [entry(1), entry(2)], "more": True}, {"data": [entry(3), entry(4)], "more": True},
               {"data": [entry(5)], "more": False}]
    server.answer_with(lambda request: (200, {}, json.dumps(answers[len(bank(request)) and len(bank.asked) - 1]).encode()))
    assert [row["channel_no"] for row in listed(server, pages).rows] == ["t1", "t2", "t3", "t4", "t5"]
    assert [path for path, _ in bank.asked] == [f"/bills?day=20190402{query}" for query in queries]


def test_a_page_that_fails_leaves_nothing(server, bank):
    bodies = iter([(200, {}, json.dumps({"data": [entry(1)]}).encode()), (500, {}, b"")])
    server.answer_with(lambda request: next(bodies))
    found = listed(server, {"size": 1, "query": {"page": "{page}"}})
    assert (found.state, list(found.rows)) == ("unknown", [])


def test_pages_without_end(server, bank, monkeypatch):
    monkeypatch.setattr(statements, "PAGES_MAX", 3)
    bank.answers["/bills"] = (200, {}, json.dumps({"data": [entry(1)]}).encode())
    assert "more than 3 pages" in listed(server, {"size": 1, "query": {"page": "{page}"}}).reason


# --- the file that says it

@pytest.mark.parametrize("file, said", [
    ({"json": "data"}, "csv or json"), ({"hosts": ["x.example"]}, "under `url:`"), ({"signed": True}, "under `url:`"),
    ({"pages": {"size": 1}}, "comes in pages"), ({"pages": {}}, "while or size"),
    ({"rows": [{"take": {"kind": {"is": "gift"}, "amount": {"yuan": "订单金额"}}}]}, "'gift' is no kind of row"),
    ({"rows": [{"take": {"kind": "type", "amount": {"yuan": "订单金额"}}}]}, "say what its words mean"),
    ({"rows": [{"take": {"kind": {"is": "payment"}}}]}, "each row needs its amount"),
    ({"rows": [{"take": {"kind": {"is": "payment"}, "amount": {"-yuan": "订单金额"}}}]}, "only a fee has a sign"),
    ({"rows": [{"take": {"kind": {"is": "payment"}, "amount": "订单金额"}}]}, "say how amount is written"),
    ({"take": {"at": {"unix": "交易时间"}}}, "needs one of payment_no"),
    ({"rows": [{"skip": True, "take": {"kind": {"is": "payment"}}}]}, "taken or skipped"),
    ({"rows": [{"take": {"colour": "x"}}]}, "there is no field 'colour'"),
])
def test_what_is_wrong_with_it_is_found_beforehand(file, said):
    assert any(said in message and path[:3] == ("operations", "statement", "file") for path, message in check_channel(
        doc(file=file))), check_channel(doc(file=file))


def test_only_a_statement_is_a_file():
    made = doc()
    made["operations"]["pay"]["file"] = FILE
    del made["operations"]["statement"]["file"]
    assert {path for path, _ in check_channel(made)} == {("operations", "pay", "file"), ("operations", "statement")}


EXAMPLE = {"name": "rows", "given": {"operation": "statement", "at": AT_MS // 1000, "nonce": "N", "facts": {
    "statement.from_ms": AT_MS, "settings.sandbox_url": "x"}, "answer": {"body": "{}"}, "file": CSV},
    "then": {"state": "succeeded", "rows": ROWS}}


@pytest.mark.parametrize("file", [{}, {"unpack": "gzip"}, {"unpack": {"zip": "*明细*"}, "charset": "gb18030"}], ids=str)
def test_an_example_of_it(file):
    made = {**doc(file=file), "test_secrets": {"key": "test:ours", "gateway": "test:theirs", "token": "t"}}
    assert run_example(made, EXAMPLE) == []
    wrong = json.loads(json.dumps(EXAMPLE))
    wrong["given"]["file"] = CSV.replace("REFUND", "NEW")
    assert "rows" in "".join(run_example(made, wrong))
    assert run_example(made, {**wrong, "then": {"refused": "line 4 is of no kind that the channel file knows"}}) == []


def test_the_day_is_the_channels_own():
    ch = channel(doc())
    day = statements._day(ch, "2019-04-02")
    assert (day["statement.until_ms"] - day["statement.from_ms"], clock.to_datetime(day["statement.from_ms"]).hour) == (86400_000, 16)
