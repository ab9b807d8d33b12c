"""Routes and limits as written: what is told of wrong ones, at its place, and what right ones become."""
from __future__ import annotations

import pytest

from engine import startup
from engine.config.check import CheckResult, check
from engine.config.compile_payment import Written, offered_names, written_choices
from tests.support.contract_files import CONTRACT_FILES
from tests.support.routes import route_files
from tests.support.selling import FILES

_TITLE = "title: {zh: 扫码, en: QR}"


def checked(of: str = "[east, west]", offered: str = "", **more: str) -> CheckResult:
    """The tests' shop with the route `qr`, or with other channels offered in its scene."""
    files = {**FILES, **route_files(of, **more)}
    if offered:
        scene = FILES["scenes/app.yaml"]
        files["scenes/app.yaml"] = scene.replace("[wallet, counter, {use: desk, when: {gte: {payable: 100.00}}}]", offered)
    return check(files, startup.vocabulary())


ROUTES = {
    "named as a channel": (f"[{{route: counter, {_TITLE}, of: [east]}}]", "8:26", "name",
                           "counter is a channel: a route needs a name of its own"),
    "a name twice": (f"[{{route: qr, {_TITLE}, of: [east]}}, {{route: qr, {_TITLE}, of: [west]}}]", "8:76", "repeated",
                     "qr is already offered"),
    "a weight is missing": (f"[{{route: qr, {_TITLE}, of: [{{use: east, weight: 3}}, west]}}]", "8:84", "weights",
                            "west has no weight, and others of the route qr have one"),
    "a channel twice": (f"[east, {{route: qr, {_TITLE}, of: [west, east]}}]", "8:72", "repeated",
                        "the channel east is already offered"),
    "another thing for the buyer": (f"[{{route: qr, {_TITLE}, of: [east, desk]}}]", "8:66", "client",
                                    "different things (found desk gives text; expected qr, as east does)"),
    "no title": ("[{route: qr, of: [east]}]", "8:18", "missing-key", "title is missing, needed beside route"),
    "no channel": (f"[{{route: qr, {_TITLE}, of: []}}]", "8:59", "size", "of is empty"),
    "a channel that is not there": (f"[{{route: qr, {_TITLE}, of: [eats]}}]", "8:60", "reference", "did you mean east?"),
    "a channel of another role": (f"[{{route: qr, {_TITLE}, of: [note]}}]", "8:60", "role", "the channel note is not for this"),
    "no weight at all": (f"[{{route: qr, {_TITLE}, of: [{{use: east, weight: 0}}]}}]", "8:80", "range",
                         "weight is out of bounds (found 0; expected at least 1)"),
    "a misspelt key": (f"[{{route: qr, {_TITLE}, of: [{{use: east, wieght: 1}}]}}]", "8:72", "unknown-key",
                       "did you mean weight?"),
    "a condition that never holds": (f"[{{route: qr, {_TITLE}, of: [{{use: east, when: {{eq: {{scene.terminal: pc}}}}}}]}}]",
                                     "8:78", "unreachable", "this can never hold here"),
    "a key of a channel's": (f"[{{route: qr, {_TITLE}, of: [east], when: {{gte: {{payable: 1.00}}}}}}]", "8:67", "unknown-key",
                             'there is no key "when" here'),
    "a channel without its condition": ("[{use: wallet}]", "8:18", "missing-key", "when is missing"),
}


@pytest.mark.parametrize("offered, at, rule, message", ROUTES.values(), ids=ROUTES)
def test_wrong_routes_are_told_at_their_place(offered, at, rule, message):
    result = checked(offered=offered)
    problem, = [p for p in result.problems if p.file == "scenes/app.yaml"]
    assert (f"{problem.line}:{problem.column}", problem.rule) == (at, rule) and message in str(problem)
    assert result.catalog is None


def test_a_channel_of_another_currency():
    files = {**FILES, **route_files("[east, west]")}
    files["channels/west.yaml"] = files["channels/west.yaml"].replace("currency: CNY", "currency: USD")
    problem, = check(files, startup.vocabulary()).problems
    assert problem.rule == "currency" and "the channel west does not take CNY" in str(problem)


LIMITS = {
    "limits: {payment: {min: 5, max: 3}}": ("range", "min is above max: no payment fits (found 5; expected at most 3)"),
    "limits: {payment: {min: 0.001}}": ("money", "more decimals than CNY knows"),
    "limits: {day: {amount: 0.001}}": ("money", "more decimals than CNY knows"),
    "limits: {day: {count: 0}}": ("range", "count is out of bounds"),
    "limits: {account: main}": ("limits", "an account without a day counts nothing"),
    "limits: {}": ("size", "limits is empty"),
    "limits: {week: {count: 1}}": ("unknown-key", 'there is no key "week" here'),
    "health: {failures: 0%}": ("form", "a percentage from 1% to 100%"),
    "health: {failures: 101%}": ("form", "a percentage from 1% to 100%"),
    "health: {failures: 50}": ("type", "failures is a whole number"),
    "health: {at_least: 0}": ("range", "at_least is out of bounds"),
    "health: {pause: 0s}": ("form", "longer than nothing"),
}


@pytest.mark.parametrize("line, rule, message", [(line, *told) for line, told in LIMITS.items()], ids=LIMITS)
def test_wrong_limits_and_health(line, rule, message):
    problem, = checked(east=line).problems
    assert (problem.file, problem.rule) == ("channels/east.yaml", rule) and message in str(problem)


@pytest.mark.parametrize("other, rules", [
    ("limits: {day: {count: 5}, account: main}", []), ("limits: {day: {count: 6}, account: main}", ["limits"]),
    ("limits: {day: {count: 5, amount: 1.00}, account: main}", ["limits"]), ("limits: {day: {count: 6}}", [])])
def test_channels_of_one_account_say_the_same_day(other, rules):
    assert [p.rule for p in checked(east="limits: {day: {count: 5}, account: main}", west=other).problems] == rules


def test_limits_are_of_channels_that_take_payments():
    files = {**FILES, "channels/note.yaml": FILES["channels/note.yaml"] + "limits: {day: {count: 1}}\n"}
    problem, = check(files, startup.vocabulary()).problems
    assert (problem.rule, problem.line) == ("not-here", 11)


@pytest.mark.parametrize("scene, rules", [("", []), ("login: guest\n", []), ("sells: {card: [week]}\n", []), ("channels: [wallet]", ["contract"])])
def test_what_renews_is_sold_with_a_contract(scene, rules):
    """Without a channel that takes contracts it would be sold for one period; a guest signs nothing anyhow."""
    word = scene.partition(":")[0]
    club = CONTRACT_FILES["scenes/club.yaml"]
    if word in ("login", "sells"):
        club = "".join(scene if line.startswith(f"{word}:") else line for line in club.splitlines(keepends=True))
    if scene:
        club = club.replace("channels: [standing, signet, wallet]", "channels: [wallet]")
    found = check({**FILES, **CONTRACT_FILES, "scenes/club.yaml": club}, startup.vocabulary()).problems
    assert [problem.rule for problem in found] == rules, list(map(str, found))
    assert not rules or "pass/daily renews, and no channel here takes contracts" in str(found[0])


def test_deductions_are_of_channels_that_withhold():
    problem, = checked(east="deductions: {told_before: 24h}").problems
    assert (problem.rule, problem.file) == ("not-here", "channels/east.yaml")
    problem, = checked(east="deductions: {at_once_within: 24h}").problems
    assert "told_before" in str(problem)


def test_what_a_route_becomes():
    result = checked("[{use: east, weight: 70, when: {gte: {payable: 100.00}}}, {use: west, weight: 30}]")
    wallet, route = result.catalog.scenes["app"].channels
    assert (wallet.id, wallet.is_route, [c.channel_id for c in wallet.of]) == ("wallet", False, ["wallet"])
    assert (route.id, route.is_route, route.weighted, dict(route.title)) == ("qr", True, True, {"zh": "扫码", "en": "QR"})
    assert [(c.channel_id, c.weight) for c in route.of] == [("east", 70), ("west", 30)]
    assert route.of[0].when({"payable": 10000}) and not route.of[0].when({"payable": 9999}) and route.of[1].when is None
    assert result.catalog.scenes["app"].offer("qr") is route and result.catalog.scenes["app"].offer("east") is None


def test_choices_and_names_in_their_order():
    scene = {"pay": {"channels": ["a", {"use": "b", "when": {}}, {"route": "r", "of": ["c", {"use": "d", "weight": 2}]}]}}
    assert offered_names(scene) == ["a", "b", "r"] and offered_names({}) == []
    assert [(w.channel_id, w.at, w.route, w.weight) for w in written_choices(scene)] == [
        ("a", ("pay", "channels", 0), None, 0), ("b", ("pay", "channels", 1, "use"), None, 0),
        ("c", ("pay", "channels", 2, "of", 0), "r", 0), ("d", ("pay", "channels", 2, "of", 1, "use"), "r", 2)]
    assert isinstance(next(written_choices(scene)), Written)


@pytest.mark.parametrize("then, told", [("[wallet, qr]", None), ("[wallet, east]", "does not offer the channel"),
                                        ("[qr, wallet]", "channels differs")])
def test_examples_name_what_a_buyer_may_choose(then, told):
    files = {**FILES, **route_files("[{use: east, when: {gte: {payable: 100.00}}}, {use: west, when: {lt: {payable: 50.00}}}]")}
    files["scenes/app.yaml"] += ("examples:\n  - name: x\n    given: {items: [card/month]}\n"
                                 f"    then: {{channels: {then}}}\n  - name: y\n    given: {{items: [[card/month, 2]]}}\n"
                                 "    then: {channels: [wallet]}\n").replace("[[card/month, 2]]", "[{sku: card/month, quantity: 2}]")
    problems = check(files, startup.vocabulary()).problems
    assert (problems == []) if told is None else any(told in str(p) for p in problems)
