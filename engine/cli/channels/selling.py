"""The last drill of `channel conform`: an order is sold through the file by the engine itself, its API, worker and ledger, in a
throw-away database: paid, told three times, forged, closed; and the books are in order afterwards.
"""
from __future__ import annotations

import contextlib
import io
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

from .. import roles
from ..demonstration.stage import Refused, Stage, ask
from .files import ChannelFile
from .ground import Failed, ports_from, waited

NAME = "sold by the engine"
_SKU = "conform-pass/single"
_PATIENCE_S = 30.0


def shop(file: ChannelFile) -> dict[str, str]:
    """A product, a line and a scene that sell through the channel, and the channel itself: {path: text}."""
    id, currency = file.doc["id"], file.doc.get("currency", "CNY")
    files = {f"channels/{id}.yaml": file.text}
    if file.base:
        other = file.own["like"]
        files[f"channels/{other}.yaml"] = file.path.with_name(f"{other}.yaml").read_text(encoding="utf-8")
    return {**files, "products/conform-pass.yaml": f"""\
id: conform-pass
title: {{zh: 通行证, en: Pass}}
type: one_time
merchant: own
currency: {currency}
grants: [{{right: conform-entry, title: {{zh: 入场, en: Entry}}, quota: 1}}]
skus: {{single: {{title: {{zh: 单次, en: Single}}, price: 10, for: 1 month}}}}
""", "lines/conform.yaml": """\
id: conform
title: {zh: 试销, en: Trial}
quote: {check: [buyer_is_known], price: [list_price]}
paid: {deliver: [grant_entitlements]}
""", "scenes/conform-gate.yaml": f"""\
id: conform-gate
title: {{zh: 试销, en: Trial}}
line: conform
terminal: h5
method: in_app
login: required
sells: {{conform-pass: all}}
pay: {{channels: [{id}]}}
"""}


class Counter:
    """The shop's counter in a running stage."""

    def __init__(self, stage: Stage, channel_id: str):
        self.stage, self.channel_id = stage, channel_id
        self.steps: list[str] = []

    def api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.stage.key}", "Idempotency-Key": uuid.uuid4().hex}
        said = ask(self.stage.api, method, path, body, headers)
        if said.status >= 300:
            raise Failed(f"{method} {path}: {said.status} {said.body}")
        return said.body

    def fault(self, word: str, **more: Any) -> None:
        ask(self.stage.sandbox, "POST", "/_sandbox/faults", {"fault": word, "channel": self.channel_id, "next": 1, **more})

    def order(self) -> tuple[str, str]:
        """(order's number, payment's number) of an order whose buyer did what the terminal was told."""
        no = self.api("POST", "/v1/orders", {"scene": "conform-gate", "buyer": {"id": "conform"}, "items": [{"sku": _SKU}]})["no"]
        payment = self.api("POST", f"/v1/orders/{no}/pay", {"channel": self.channel_id, "client": {
            "ip": "203.0.113.7", "openid": "o-conform", "return_url": "https://shop.example/back"}})
        client = payment["client"] or {}
        if "redirect" in client:
            address = urlsplit(client["redirect"])
            ask(self.stage.sandbox, "GET", f"{address.path}?{address.query}")
        elif {"params", "text"} & set(client):
            ask(self.stage.sandbox, "POST", f"/_sandbox/app/{self.channel_id}", client)
        return no, payment["no"]

    def reaches(self, no: str, *states: str) -> Any:
        """The order once it is in one of the states."""
        view = waited(lambda: (found := self.api("GET", f"/v1/orders/{no}"))["state"] in states and found, _PATIENCE_S)
        if view is None:
            found = self.api("GET", f"/v1/orders/{no}")
            told = "; ".join(f"{move['what']} {move['to']} ({move['cause']})" for move in found["timeline"])
            raise Failed(f"the order is {found['state']} after {_PATIENCE_S:g} s, {' or '.join(states)} was expected: {told}")
        return view


def sold(file: ChannelFile) -> tuple[list[str], str, float]:
    """(steps, why it failed or "", seconds)."""
    from ...audit import invariants

    with contextlib.ExitStack() as ending:
        with contextlib.redirect_stderr(io.StringIO()):            # what was made ready is nobody's business here
            stage = ending.enter_context(Stage(False, ports_from()))
        counter = Counter(stage, file.doc["id"])
        began = time.monotonic()
        try:
            _open(counter, file)
            _drive(counter, file)
            broken = [str(violation) for violation in invariants.violations()]
            if broken:
                raise Failed("the books are not in order: " + "; ".join(broken))
            counter.steps.append("every invariant holds")
        except (Failed, Refused, OSError) as error:
            return counter.steps, str(error), time.monotonic() - began
        return counter.steps, "", time.monotonic() - began


def _open(counter: Counter, file: ChannelFile) -> None:
    """Publish the shop to the processes that run already."""
    from ... import startup
    from ...config import releases
    from ..catalogue import catalogue_files

    startup.start("conform")
    releases.publish({**catalogue_files(roles.ROOT), **shop(file)}, "a trial of a channel", "conform", startup.vocabulary())
    url = "/v1/scenes/conform-gate"
    key = {"Authorization": f"Bearer {counter.stage.key}"}
    if waited(lambda: ask(counter.stage.api, "GET", url, None, key).status == 200) is None:
        raise Failed("the release with this channel is not served")
    counter.api("PUT", "/v1/buyers/conform", {"phone": "13800000001"})


def _drive(counter: Counter, file: ChannelFile) -> None:
    no, _ = counter.order()
    counter.reaches(no, "completed")
    counter.steps.append("paid and delivered")
    counter.fault("repeated", times=3)
    no, _ = counter.order()
    if len(counter.reaches(no, "completed")["entitlements"]) != 1:
        raise Failed("the same notice three times delivered more than once")
    counter.steps.append("told three times, delivered once")
    if any("payment_no" in notice.get("take", {}) for notice in file.doc.get("notices", {}).values()):
        counter.fault("forged")
        no, payment_no = counter.order()
        time.sleep(0.5)
        counter.reaches(no, "awaiting_payment")
        ask(counter.stage.sandbox, "POST", f"/_sandbox/payments/{counter.channel_id}/{payment_no}/pay")
        counter.reaches(no, "completed")
        counter.steps.append("forged: waited for the real one")
    counter.fault("unpaid")
    no, _ = counter.order()
    counter.api("POST", f"/v1/orders/{no}/close", {"reason": "trial"})
    counter.reaches(no, "closed")
    counter.steps.append("closed")
