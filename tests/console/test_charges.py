"""Direct charges as a list: found, narrowed, taken away as a table, and only those one may see."""
from __future__ import annotations

import csv
import io
import re

from console import access
from engine.deliver import charges
from tests.console.world import PASSWORD


def found(page: str) -> list[str]:
    return re.findall(r'class="no" href="/console/orders/O\w+#D\w+">([^<]+)</a>', page)


def test_the_list_finds_and_narrows(traded, visit):
    visitor = visit(traded)
    everything = ["BM20261121009", "BM20261121002", "BM20261121001", "BM20261121000"]
    charge = charges.of_order(traded.orders["charged"])
    for query, wanted in {
            "": everything, "sort=oldest": everything[::-1], "partner=bank-mall": everything, "partner=telecom-gift": [],
            "state=charging": everything[:1], "state=charged": everything[1:], "q=BM20261121001": ["BM20261121001"],
            f"q={charge['no']}": ["BM20261121002"], f"q={charge['order_no']}": ["BM20261121002"], "q=b-bank-0": ["BM20261121000"],
            "q=13911112222": everything[:1], "q=nothing": [], "from=2126-01-01": [], "to=2016-01-01": []}.items():
        assert found(visitor.get(f"/charges/?{query}")) == wanted, query


def test_as_a_table_with_units_and_zone(sold, visit):
    text = visit(sold, "finance").client.get("/console/charges/export.csv?sort=oldest").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [(row["Charge"], row["State"], row["Drawn"], row["Unit"]) for row in rows] == [
        *((f"BM2026112100{n}", "Charged", "238.00", "CNY") for n in range(3)), ("BM20261121009", "Charging", "0.00", "CNY")]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", rows[0]["Placed (Asia/Shanghai)"]) and rows[3]["Telephone"] == "13911112222"
    masked = visit(sold, "viewer").client.get("/console/charges/export.csv").get_data(as_text=True)
    assert "13911112222" not in masked and "139****2222" in masked


def test_only_those_of_ones_lines(sold, visit):
    for line, wanted in (("aiqicha", 4), ("xunkebao", 0)):
        access.create(f"of-{line}", "x", PASSWORD, ["support"], [line], "en", "self")
        assert len(found(visit(sold, f"of-{line}").get("/charges/"))) == wanted
        text = visit(sold, f"of-{line}").client.get("/console/charges/export.csv").get_data(as_text=True)
        assert text.count("BM2026") == wanted
    assert "No partner has charged anybody yet" in visit(sold, "of-xunkebao").get("/charges/")


def test_all_jobs_are_for_those_who_see_every_line(sold, visit):
    assert "GONE" in visit(sold).get("/alljobs/?state=dead") and "GONE" not in visit(sold).get("/alljobs/?state=ready")
    access.create("partly", "x", PASSWORD, ["support"], ["aiqicha"], "en", "self")
    assert "GONE" not in visit(sold, "partly").get("/alljobs/")
    assert "GONE" not in visit(sold, "partly").client.get("/console/alljobs/export.csv").get_data(as_text=True)
