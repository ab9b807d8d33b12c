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
        lines += [f"  {'docs':<8} {base['api']}/v1/docs"]
    if login:
        lines += ["", f"  {first_login(login)}"]
    if order and "api" in base:
        lines += ["", "  Place an order:", "", *(f"    {line}" for line in curl(base["api"], api_key, order))]
    return "\n".join([*lines, ""])


def first_login(login: tuple[str, str] | None) -> str:
    return f"First login of the console, shown this once: {login[0]} / {login[1]}" if login else ""


def curl(base_url: str, api_key: str | None, order: Mapping[str, Any]) -> list[str]:
    """A command that places the order, ready to paste; the Idempotency-Key differs at each paste."""
    key = [f"  -H 'Authorization: Bearer {api_key}' \\"] if api_key else []
    return [f"curl -s {base_url}/v1/orders \\", *key, "  -H 'Content-Type: application/json' \\",
            '  -H "Idempotency-Key: $(date +%s%N)" \\', f"  -d '{json.dumps(order)}'"]


def sample_order(scenes: Sequence[Any]) -> dict[str, Any] | None:
    """The body of an order that one of these catalogue scenes takes as it is: no partner, no field demanded, paid
    through a channel; one without login first, since it needs no known buyer."""
    fit = [s for s in scenes if s.skus and s.channels and not s.partner_id and not s.fields_schema.get("required")]
    if not fit:
        return None
    scene = min(fit, key=lambda s: (s.login != "guest", s.id))
    buyer = {} if scene.login == "guest" else {"buyer": {"id": "buyer-1"}}
    return {"scene": scene.id, **buyer, "items": [{"sku": next(iter(scene.skus)), "quantity": 1}]}
