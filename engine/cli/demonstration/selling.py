"""The demo's buyers: one sale in every scene, made from the scene's own first example, with trouble on the way."""
from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Mapping
from urllib.parse import urlsplit

from ...config.catalog import Catalog, Partner, Scene
from ...config.check_examples import given as example_given
from .stage import Refused, Stage, ask

PATIENCE_S = 45
CLIENT = {"ip": "203.0.113.7", "openid": "demo-openid", "return_url": "https://shop.example/back"}     # of the buyer's terminal
# What befalls the sales in turn: a word for the table, and the fault asked of the gateway.
TROUBLES = (
    ("notice twice", {"fault": "repeated", "times": 3}),
    ("notice lost", {"fault": "lost"}),
    ("worker killed", None),
    ("forged notice first", {"fault": "forged"}),
    ("old state after new", {"fault": "reordered"}),
    ("paid twice", {"fault": "duplicate_success"}),
    ("notice late", {"fault": "late", "delay_s": 2}),
    ("", None),
)


@dataclass
class Sale:
    """What came of one sale."""
    scene: str
    title: str
    method: str
    order_no: str = ""
    paid_by: str = ""
    payable_minor: int = 0
    state: str = ""
    trouble: str = ""
    took_s: float = 0.0
    error: str = ""
    view: Mapping[str, Any] = field(default_factory=dict)


class Shop:
    def __init__(self, stage: Stage, catalog: Catalog, documents: Mapping[str, Mapping[str, Any]]):
        self.stage, self.catalog, self.documents = stage, catalog, documents
        self._key = {"Authorization": f"Bearer {stage.key}"}
        self._count = 0

    def api(self, method: str, path: str, body: Any = None, want: tuple[int, ...] = (200, 201, 202), **headers: str) -> Any:
        answer = ask(self.stage.api, method, path, body, {**self._key, **headers})
        if answer.status not in want:
            raise Refused(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        return ask(self.stage.sandbox, method, path, body).body

    def sell(self, scene: Scene) -> Sale:
        """One sale to its end; an error is kept in the Sale, not raised."""
        self._count += 1
        sale = Sale(scene.id, scene.title["zh"], scene.method)
        began = time.monotonic()
        try:
            given = self._given(scene)
            buyer_id = self._buyer(scene, given)
            if "pool" in scene.tenders:
                self._charge(sale, scene, given, buyer_id)
            elif "external" in scene.tenders:
                self._shop_order(sale, scene, given, buyer_id)
            else:
                self._order(sale, scene, given, buyer_id)
            self._follow(sale)
        except (Refused, OSError, KeyError, TimeoutError) as error:
            sale.error = f"{type(error).__name__}: {error}"
        sale.took_s = time.monotonic() - began
        return sale

    def _given(self, scene: Scene) -> dict[str, Any]:
        """The first example of the scene that is answered with a price, one of no certain time before the others."""
        document = self.documents[scene.id]
        selling = [e["given"] for e in document.get("examples", ()) if "refused" not in e["then"]]
        if not selling:
            raise Refused("the scene's file has no example that sells something")
        return example_given(min(selling, key=lambda given: "at" in given), document, scene)

    def _buyer(self, scene: Scene, given: Mapping[str, Any]) -> str:
        buyer = given["buyer"]
        if not buyer or not buyer["registered"]:
            return ""
        buyer_id = f"demo-{self._count}"
        self.api("PUT", f"/v1/buyers/{buyer_id}", {"phone": f"138{self._count:08d}", "tags": list(buyer["tags"])})
        return buyer_id

    def _order(self, sale: Sale, scene: Scene, given: Mapping[str, Any], buyer_id: str) -> None:
        """Quote, order (sent twice, as a nervous client does), pay, and the trouble of the day."""
        who = {"buyer": {"id": buyer_id}} if buyer_id else {"contact": {"phone": f"139{self._count:08d}"}}
        quote = self.api("POST", "/v1/quotes", {"scene": scene.id, "items": given["items"], "fields": given["fields"], **who})
        key = {"Idempotency-Key": uuid.uuid4().hex}
        body = {"scene": scene.id, "quote": quote["no"], **who, "expected_payable_minor": quote["payable_minor"]}
        order = self.api("POST", "/v1/orders", body, **key)
        again = self.api("POST", "/v1/orders", body, **key)
        if again["no"] != order["no"]:
            raise Refused("the same request made two orders")
        sale.order_no, sale.payable_minor = order["no"], quote["payable_minor"]
        if not quote["payable_minor"]:
            sale.paid_by = "free"
            return
        chosen = quote["channels"][self._count % len(quote["channels"])]["id"]
        channel = scene.offer(chosen).of[0].channel_id     # a route leads to its first, which works
        sale.paid_by = chosen
        sale.trouble, fault = TROUBLES[self._count % len(TROUBLES)]
        if fault:
            self.sandbox("POST", "/_sandbox/faults", {**fault, "channel": channel, "next": 1})
        payment = self.api("POST", f"/v1/orders/{order['no']}/pay",
                           {"channel": chosen, "client": CLIENT}, **{"Idempotency-Key": uuid.uuid4().hex})
        self.buyer_pays(channel, payment)
        if sale.trouble == "worker killed":
            self.stage.kill_worker()
        if fault and fault["fault"] in ("forged",):      # nobody paid: the forger's word was all there was
            time.sleep(1)
            self.sandbox("POST", f"/_sandbox/payments/{channel}/{payment['no']}/pay")

    def buyer_pays(self, channel: str, payment: Mapping[str, Any]) -> None:
        """What the buyer's terminal does with what it was given; a scanned code is paid by itself."""
        client = payment["client"] or {}
        if "redirect" in client:
            address = urlsplit(client["redirect"])
            ask(self.stage.sandbox, "GET", f"{address.path}?{address.query}")
        elif {"params", "text"} & set(client):
            said = self.sandbox("POST", f"/_sandbox/app/{channel}", client)
            if "state" not in said:
                raise Refused(f"the channel's software does not take {client}: {said}")

    def _shop_order(self, sale: Sale, scene: Scene, given: Mapping[str, Any], buyer_id: str) -> None:
        """An order that a shop elsewhere was paid for. Where the scene names the shop's channel, somebody buys in the sandbox's
        shop, and the order comes in by its notice."""
        phone = f"139{self._count:08d}"
        who = {"buyer": {"id": buyer_id}} if buyer_id else {"contact": {"phone": phone}}
        quote = self.api("POST", "/v1/quotes", {"scene": scene.id, "items": given["items"], "fields": given["fields"], **who})
        number, paid_by = f"SHOP{self._count:06d}", "paid at the shop"
        if scene.shop:
            number, paid_by = self._bought_in_the_shop(scene, given, quote["payable_minor"], phone), scene.shop.reporting.channel_id
        order = self.api("POST", "/v1/orders", {
            "scene": scene.id, "items": given["items"], **who,
            "fields": {**given["fields"], **dict.fromkeys(_fields(scene), number)},
            "external": {"no": number, "paid_minor": quote["payable_minor"]}}, **{"Idempotency-Key": uuid.uuid4().hex})
        sale.order_no, sale.payable_minor, sale.paid_by = order["no"], quote["payable_minor"], paid_by

    def _bought_in_the_shop(self, scene: Scene, given: Mapping[str, Any], amount_minor: int, phone: str) -> str:
        """The shop's order number, once its notice was taken."""
        shop = scene.shop
        theirs = {sku: item for item, sku in shop.items.items()}
        sold = self.sandbox("POST", f"/_sandbox/shop/{shop.reporting.channel_id}/orders", {
            "items": [{"item": theirs[bought["sku"]], "quantity": bought["quantity"]} for bought in given["items"]],
            "amount_minor": amount_minor, "phone": phone})
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            shown, = self.sandbox("GET", f"/_sandbox/shop?channel={shop.reporting.channel_id}&no={sold['no']}")["items"]
            if any(notice["taken"] for notice in shown["notices"]):
                return sold["no"]
            time.sleep(0.1)
        raise TimeoutError(f"the shop's order {sold['no']} was not taken: {shown['notices'][-1:]}")

    def _charge(self, sale: Sale, scene: Scene, given: Mapping[str, Any], buyer_id: str) -> None:
        """A partner charges somebody who registers only later, and tops up its pool before."""
        partner = self._partner_of(scene, given)
        unit = partner.pool.unit
        amount = 10_000_000 if unit == "money" else 1000
        self.api("POST", f"/v1/partners/{partner.id}/pool/top-ups", {"unit": unit, "amount": amount},
                 **{"Idempotency-Key": f"demo-{partner.id}"})
        late_id, phone = f"late-{self._count}", f"137{self._count:08d}"
        charge = self._signed(partner, f"/v1/partners/{partner.id}/charges/unregistered", {
            "partner_order_no": f"PO{self._count:06d}", "scene": scene.id, "items": given["items"], "phone": phone})
        if charge["state"] != "charging":
            raise Refused(f"a charge for nobody is {charge['state']}")
        self.api("PUT", f"/v1/buyers/{late_id}", {"phone": phone})
        sale.order_no, sale.paid_by, sale.trouble = charge["order"], f"pool ({unit})", "buyer registers late"

    def _partner_of(self, scene: Scene, given: Mapping[str, Any]) -> Partner:
        if given["partner_id"]:
            return self.catalog.partner(given["partner_id"])
        wanted = {item["sku"] for item in given["items"]}
        return next(p for p in self.catalog.partners.values() if scene.id in p.scenes and wanted <= set(p.prices))

    def _signed(self, partner: Partner, path: str, body: Mapping[str, Any]) -> Any:
        """A partner's request, signed in the partner's own declared way."""
        from sandbox.partner import signed_request

        raw, headers = signed_request(partner.verify, "POST", path, body)
        answer = ask(self.stage.api, "POST", path, raw, headers)
        if answer.status not in (200, 201, 202):
            raise Refused(f"POST {path}: {answer.status} {answer.body}")
        return answer.body

    def _follow(self, sale: Sale) -> None:
        """Wait for the order's end; people's work orders are done on the way."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            view = self.api("GET", f"/v1/orders/{sale.order_no}")
            sale.state, sale.view, sale.payable_minor = view["state"], view, view["payable_minor"]
            settled = all(r["state"] in ("succeeded", "failed") for r in view["refunds"])
            told = all(m["state"] in ("sent", "skipped", "failed") for m in view["messages"])
            if view["state"] == "completed" and settled and told:
                return
            for work in view["work_orders"]:
                if view["state"] == "fulfilling" and work["state"] in ("open", "in_progress"):
                    self.api("POST", f"/v1/work-orders/{work['no']}/finish", {"worker": "demo", "result": {"note": "done"}})
            time.sleep(0.25)
        raise TimeoutError(f"order {sale.order_no} is still {sale.state} after {PATIENCE_S} s")


def _fields(scene: Scene) -> list[str]:
    """The scene's fields that carry the shop's own number."""
    return [field for field, taken in (scene.shop.fields if scene.shop else {}).items() if taken == "shop_order_no"]
