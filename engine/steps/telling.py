"""Steps that tell somebody."""
from __future__ import annotations

from typing import Any, Mapping

from ..deliver import messages
from .context import SaleContext
from .registry import step


@step("paid.tell fulfil.tell close.tell charge.tell renew.tell renew.announce renew.fail renew.suspend renew.end", "write",
      required=("template",), params={
    "template": {"type": "string", "x-refers-to": "message"}, "to": {"enum": ["buyer"]}})
def message(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Queue a message to the buyer, in the order's language; a worker sends it through the template's channel."""
    template = ctx.catalog.messages[params["template"]]
    text = messages.render(template["text"][ctx.lang], {
        **ctx.facts(), "order.no": ctx.subject_no, "order.title": ctx.order["title"],
        "contract.no": ctx.renewal.get("contract", ""), "contract.date": ctx.renewal.get("date", "")})
    return {"message": messages.queue(ctx.subject_no, params["template"], template["channel"], ctx.recipient, text)}
