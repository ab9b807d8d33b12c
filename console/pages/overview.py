"""The home page: today at one glance, and what needs somebody."""
from __future__ import annotations

from typing import Any

from flask import g
from flask_admin import AdminIndexView, expose

from engine import store
from engine.base import clock
from engine.config import releases
from engine.config.live import node_reports
from engine.deliver.work_orders import WorkOrder
from engine.trade.orders import ORDER, TradeOrder

from .. import catalogue
from ..drawing import chart
from ..queries import contracts, jobs, overview, partners
from ..room import Guarded


class Overview(Guarded, AdminIndexView):
    def is_visible(self) -> bool:
        return True

    @expose("/")
    def index(self) -> Any:
        lines, today = sorted(g.person.lines), partners.today_ms()
        by_line = overview.orders_by_line_and_state(today, lines)
        states = [state for state in ORDER.moves if any(state in counts for counts in by_line.values())]
        paid = overview.paid_since(today, lines)
        live_no = releases.live_no()
        pools = {p["partner"].pool.id: p for p in partners.listed(catalogue.current(), g.person)}      # a shared one once
        return self.render(
            "console/overview.html", by_line=by_line, states=states, paid=paid, totals=_totals(paid), catalogue=catalogue,
            placed=sum(sum(counts.values()) for counts in by_line.values()), jobs=jobs.counts(lines), today_ms=today,
            picture=chart.hours(overview.by_hour(today, lines), (clock.now_ms() - today) // overview.HOUR_MS),
            channels=overview.channels(catalogue.current(), today, lines), now_ms=clock.now_ms(),
            live=releases.get(live_no) if live_no else None, change=next(iter(releases.live_changes(1)), None),
            rejecting=[node for node in node_reports() if node["verdict"] == "reject"],
            open_work=_open_work(lines), failing=contracts.failing(lines),
            low_pools=[pool for pool in pools.values() if pool["lamp"] != "good"])


def _totals(paid: list[dict[str, Any]]) -> dict[str, int]:
    """currency → minor units paid."""
    found: dict[str, int] = {}
    for row in paid:
        found[row["currency"]] = found.get(row["currency"], 0) + row["amount_minor"]
    return found


def _open_work(lines: list[str]) -> int:
    rows = store.many(WorkOrder, columns=("order_no",), state=["open", "in_progress"], limit=1000)
    if not lines:
        return len(rows)
    allowed = {row["no"] for row in store.many(TradeOrder, columns=("no",), no=[row["order_no"] for row in rows], line_id=lines)}
    return sum(row["order_no"] in allowed for row in rows)
