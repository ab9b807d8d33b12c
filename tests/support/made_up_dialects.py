"""Channels that exist nowhere: protocols made up on the spot, each as the text of a channel file.

`made_up(id, choose)` asks `choose` for every decision a provider may have taken: names, order, empties, separators, hash, case,
place of the signature, how amounts and times are written, how notices are sealed. Nothing in the engine or in the sandbox was
written for any of them.
"""
from __future__ import annotations

from typing import Any, Callable, Sequence, TypeVar

from engine.cli.channels.written import flow

T = TypeVar("T")
Choose = Callable[[Sequence[T]], T]
SHARED = "hush"


def made_up(id: str, choose: Choose) -> str:
    """The text of a channel file with pay, query, refund, refund_query, close and notices of payments and refunds."""
    return "".join(f"{key}: {flow(value)}\n" for key, value in document(id, choose).items())


def document(id: str, choose: Choose) -> dict[str, Any]:
    names = _names(choose)
    kind = choose(["json", "form"])
    ours, theirs = _sign(choose, names, kind)
    doc = {
        "id": id, "title": {"zh": "编造的渠道", "en": "A channel made up on the spot"}, "role": "pay", "currency": "CNY",
        "base": "https://nowhere.example/gateway", "timeout": "5s", "zone": "Asia/Shanghai", "constants": {"shop": choose(["S-7", "shop 9", "商户"])},
        "secrets": {SHARED: {"env": "MADE_UP_SECRET"}, "own": {"file": "made-up.pem", "as": "private_key"},
                    "their": {"file": "made-up-theirs.pem", "as": "public_key"}, "lid": {"env": "MADE_UP_LID"}},
        "sign": ours, "verify": theirs, "match": {"merchant": "{shop}"}, "answers": "json",
        "take": {"error_code": "err", "reason": "why"},
        "judge": [{"http": 404, "then": "absent"}, {"http": "400..499", "then": "failed"}],
    }
    doc["operations"] = _operations(choose, names, kind)
    doc["notices"] = _notices(choose, names, doc["operations"])
    return {key: value for key, value in doc.items() if value is not None}


def _names(choose: Choose) -> dict[str, str]:
    """What this provider calls things; several begin alike, so that sorting them one way or the other differs."""
    return {"no": choose(["out_no", "orderId", "a1", "Z_no"]), "amount": choose(["total", "amt", "a", "Fee"]),
            "time": choose(["ts", "time_stamp", "A_time"]), "sign": choose(["sign", "signature", "_s", "Mac"]),
            "refund": choose(["refund_no", "back", "a1r"]), "their": choose(["trade_no", "tid", "B"])}


def _covered(choose: Choose, names: dict[str, str]) -> dict[str, Any]:
    """What is signed: listed pairs, in one of the ways that are found in the wild."""
    pairs: dict[str, Any] = {
        "sort": choose(["key", "entry", "value", "none"]), "empties": choose(["drop", "keep"]),
        "ignore_case": choose([True, False]), "value": choose(["plain", "url", "form"]),
        "join": choose(["&", "", "|", ";"]), "between": choose(["=", ":", ""]), "show": choose(["pairs", "values"]),
    }
    where = choose(["before", "after", "both", "add"])
    if where in ("before", "both"):
        pairs["before"] = choose(["{hush}", "{hush}#", "key={hush}&"])
    if where in ("after", "both"):
        pairs["after"] = choose(["{hush}", "&key={hush}", "|{hush}"])
    if where == "add":
        pairs["add"] = {choose(["salt", "A", "zz"]): "{hush}"}
    return pairs


def _sign(choose: Choose, names: dict[str, str], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(how we sign, how they do): a digest over pairs or over a text, in the body or in headers."""
    how = choose(["hash", "hmac_md5", "hmac_sha1", "hmac_sha256", "hmac_sha512", "rsa_sha256", "rsa_sha1"])
    encode = choose(["hex", "HEX", "base64", "base64url"])
    rsa = how.startswith("rsa")
    hashed = choose(["md5", "sha1", "sha256", "sha512"])
    digest = {how: hashed if how == "hash" else "own" if rsa else SHARED, "encode": encode}
    checked = {how: hashed if how == "hash" else "their" if rsa else SHARED, "encode": encode}
    if choose(["pairs", "text"]) == "text":
        line = choose(["\n", "|", "."])
        return ({"text": line.join(["{method}", "{path_and_query}", "{timestamp}", "{nonce}", "{body}", "{hush}"]), **digest, "header": {
                    "X-Made-Time": "{timestamp}", "X-Made-Nonce": "{nonce}", "X-Made-Sign": choose(["{signature}", "MADE {signature}"])}},
                {"text": line.join(["{header.X-Made-Time}", "{header.X-Made-Nonce}", "{body}", "{hush}"]), **checked,
                 "signature": "header.X-Made-Sign", "fresh": {"at": "header.X-Made-Time", "within": choose(["60s", "300s"])}})
    pairs = _covered(choose, names)
    place = choose(["body", "header", "query"])
    at = {"body": {names["sign"]: "{signature}"}, "header": {"X-Made-Sign": "{signature}"}, "query": {names["sign"]: "{signature}"}}[place]
    return ({"pairs": pairs, **digest, place: at},
            {"pairs": pairs, **checked, "signature": f"body.{names['sign']}",
             "fresh": {"at": f"body.{names['time']}", "within": "300s", "as": choose(["unix", "unix_ms", "%Y%m%d%H%M%S"])}})


def _operations(choose: Choose, names: dict[str, str], kind: str) -> dict[str, Any]:
    money, moment = choose(["fen", "yuan"]), choose(["rfc3339", "unix", "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S"])
    common = {"shop": "{shop}", names["time"]: choose(["{timestamp}", "{timestamp:%Y%m%d%H%M%S}"]), "nothing": ""}
    words = {"of": "st", choose(["OK", "2", "已付"]): "succeeded", choose(["WAIT", "0", "未付"]): "pending", "GONE": "closed", "NO": "failed",
             "else": "unknown"}
    payment = {"merchant": "shop", "payment_no": names["no"], "channel_no": names["their"], "amount": {money: names["amount"]},
               "paid_at": {moment: "done_at"}, "state": words}
    refund = {"merchant": "shop", "payment_no": names["no"], "refund_no": names["refund"], "channel_refund_no": names["their"],
              "amount": {money: names["amount"]}, "refunded_at": {moment: "done_at"}, "state": words}
    client, address = choose([("qr", "link"), ("redirect", "link")])
    asked = {"judge": [{"http": 200, "then": "as_taken"}]}
    amount = {names["amount"]: f"{{payment.amount:{money}}}"}
    back = {names["amount"]: f"{{refund.amount:{money}}}", names["refund"]: "{refund.no}"}
    no = {names["no"]: "{payment.no}"}
    return {
        "pay": {"post": "/pay", kind: {**common, **no, **amount, "title": "{order.title}", "tell": "{notice_url}/paid", "ip": "{client.ip?}"},
                "judge": [{"http": 200, "exists": address, "then": "pending"}], "client": {client: f"{{answer.{address}}}"}},
        "query": {"post": "/ask", kind: {**common, **no}, **asked, "take": payment},
        "close": {"post": "/close", kind: {**common, **no}, "judge": [{"http": 200, "eq": {"closed": 1}, "then": "closed"}]},
        "refund": {"post": "/back", kind: {**common, **no, **back, "tell": "{notice_url}/refunded"}, **asked, "take": refund},
        "refund_query": {"post": "/back/ask", kind: {**common, names["refund"]: "{refund.no}"}, **asked, "take": refund},
    }


def _notices(choose: Choose, names: dict[str, str], operations: dict[str, Any]) -> dict[str, Any]:
    sealed = choose(["", "aes_gcm", "aes_cbc", "aes_ecb"])
    spec: dict[str, Any] = {"key": "{lid:md5}", "of": "sealed", "encode": choose(["base64", "hex"])}
    spec |= {"nonce": "n", "aad": "more"} if sealed == "aes_gcm" else {"iv": "n"} if sealed == "aes_cbc" else {}
    opening = {"open": {sealed: spec}} if sealed else {}
    answer = choose([{"success": {"text": "success"}, "failure": {"status": 500, "text": "{reason}"}},
                     {"success": {"status": 204}, "failure": {"status": 400, "json": {"why": "{reason}"}}},
                     {"success": {"json": {"code": 0}}, "failure": {"json": {"code": 1, "msg": "{reason}"}}}])
    body = {"body": "form"} if choose([True, False]) else {}
    once = "body.event_id"
    return {event: {**body, **opening, "take": operations[asks]["take"], "once_by": once, "answer": answer}
            for event, asks in (("paid", "query"), ("refunded", "refund_query"))}
