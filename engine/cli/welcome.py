"""What a person reads once everything runs: where to look, an order to place, and the first login, shown this once."""
from __future__ import annotations

import json
from typing import Any, Mapping, Sequence


def text(host: str, ports: Mapping[str, int], login: tuple[str, str] | None, api_key: str | None,
         order: Mapping[str, Any] | None) -> str:
    """ports: role → port. login: (name, password) when the first admin was made just now. order: a body that
    POST /v1/orders takes, from the live catalogue."""
    base = {role: f"http://{host}:{port}" for role, port in ports.items()}
    lines = ["", "Salewright is running. Ctrl-C stops it.", ""]
    lines += [f"  {role:<8} {url}" for role, url in base.items()]
    if "api" in base:
        lines += [f"  {'docs':<8} {base['api']}/docs"]
    if login:
        lines += ["", f"  {first_login(login)}"]
    if order and "api" in base:
        hint = "" if api_key else " (KEY: an API key; `run.py keys create NAME` makes one)"
        lines += ["", f"  Place an order{hint}:", "", *(f"    {line}" for line in commands(base["api"], api_key, order))]
    if "sandbox" in base:
        lines += ["", "  Let time pass, to watch what is due later, such as a renewal: python run.py pass 26d"]
    return "\n".join([*lines, ""])


def first_login(login: tuple[str, str] | None) -> str:
    return f"First login of the console, shown this once: {login[0]} / {login[1]}" if login else ""


def commands(base_url: str, api_key: str | None, order: Mapping[str, Any]) -> list[str]:
    """Shell commands, ready to paste, that place the order; a buyer whom it names is registered first."""
    lines = []
    if "buyer" in order:
        lines += curl("PUT", f"{base_url}/v1/buyers/{order['buyer']['id']}", api_key, {"name": "A buyer"})
    return lines + curl("POST", f"{base_url}/v1/orders", api_key, order)


def curl(method: str, url: str, api_key: str | None, body: Mapping[str, Any]) -> list[str]:
    """One command over several lines. Each paste of a POST is a new request: its Idempotency-Key is the time."""
    headers = ["'Content-Type: application/json'"]
    headers += [f"'Authorization: Bearer {api_key}'" if api_key else '"Authorization: Bearer $KEY"']
    headers += ['"Idempotency-Key: $(date +%s%N)"'] if method == "POST" else []
    return [f"curl -s -X {method} {url} \\", *(f"  -H {header} \\" for header in headers), f"  -d '{json.dumps(body)}'"]


def sample_order(scenes: Sequence[Any]) -> dict[str, Any] | None:
    """The body of an order that one of these catalogue scenes takes as it is: no partner, no field demanded, paid
    through a channel; one without login first, since it needs no known buyer. Goods without a purchase cap first, since a
    person may well paste it twice."""
    fit = [s for s in scenes if s.skus and s.channels and not s.partner_id and not s.fields_schema.get("required")]
    if not fit:
        return None
    scene = min(fit, key=lambda s: (s.login != "guest", s.id))
    buyer = {} if scene.login == "guest" else {"buyer": {"id": "buyer-1"}}
    sku = min(scene.skus.values(), key=lambda sku: sku.purchase_cap is not None)
    return {"scene": scene.id, **buyer, "items": [{"sku": sku.key, "quantity": 1}]}
