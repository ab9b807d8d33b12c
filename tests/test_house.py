"""The house rules, as tests: who may know whom, which library lives where, no names of the business in code, and style.

Each rule is a function from modules to complaints; the last tests show that each one sees what it is for.
"""
from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from typing import Iterator

import pytest

from tests.support.source import PROGRAM, ROOT, Module, cycles, everything, files, import_graph, program

# A room may know the rooms on lower floors, never the other way, and no neighbour.
FLOORS = {
    "engine.base": 1, "engine.store": 2, "engine.config": 3,
    "engine.trade": 4, "engine.flow": 4, "engine.wire": 4,
    "engine.ledger": 5, "engine.pay": 6, "engine.deliver": 6,
    "engine.steps": 7, "engine.watch": 7,
    # Floor 8 has a gallery: what looks down at the story, and what starts all of it.
    "engine.sale": 8, "engine.audit": 8.3, "engine.rehearse": 8.3, "engine.startup": 8.6,
    "engine.workers": 8.9,                     # below its neighbours: they wake it
    "engine.api": 9, "console": 9, "sandbox": 9,
    "engine.cli": 10, "run": 11,
}
# Rooms of several modules that lie beside each other in engine/: the story of a sale is told in these.
STORY = ("engine.sale", "engine.quoting", "engine.paying", "engine.charge", "engine.settling", "engine.supplying",
         "engine.runs", "engine.signing", "engine.renewing", "engine.repricing", "engine.reporting", "engine.returning", "engine.shopping")

# A library → the only rooms or modules that may know it.
FENCES = {
    "flask": ("engine.api", "console", "sandbox"), "werkzeug": ("engine.api", "console", "sandbox"),
    "flask_admin": ("console",), "flask_wtf": ("console",), "flask_babel": ("console",), "wtforms": ("console",),
    "ruamel": ("console",),
    "huey": ("engine.workers",),
    "durable": ("engine.config.rules",),
    "yaml": ("engine.config.reader",), "jsonschema": ("engine.config", "engine.api"),
    "cryptography": ("engine.wire", "sandbox"),
    "psycopg": ("engine.store",), "sqlite3": ("engine.store",), "playhouse": ("engine.store",),
    # HTTP out; the supervisor knocks at its own children's doors, the demo is a client, the sandbox the outside world.
    "urllib3": ("engine.wire.sending", "sandbox"), "urllib.request": (), "requests": (), "httpx": (),
    "http.client": ("engine.wire.sending", "engine.cli.process.supervisor", "engine.cli.demonstration"),
}

# Names of lines, channels, partners and coupons, wherever the catalogue puts them in an id.
BRANDS = ("aiqicha", "shangjibao", "xunbiaobao", "xunkebao", "alipay", "wechat", "weixin", "douyin", "stripe", "adyen",
          "paypal", "razorpay", "newcomer")
NAMED_KINDS = ("lines", "scenes", "channels", "products", "partners", "coupons")

LINES_MAX, LINES_HARD_MAX, LONG_SHARE = 350, 450, 0.1
FUNCTION_MAX = 70
WIDTH_MAX, WIDTH_HARD_MAX, WIDE_SHARE = 120, 132, 0.03
# Texts that name a machine or a registry; written in halves so that this file does not hold them itself.
PLACES = re.compile("|".join(("/wo" "rk/(?:main|shared)", "/ro" "ot/", "/ho" "me/", "/opt/py" "pi", "py" "pi\\.org", "pythonho" "sted",
                              "registry\\.np" "mjs", "deb\\.deb" "ian", "registry\\.ya" "rnpkg", "mirr" "ors?\\.")))
TEXTS = (".py", ".sh", ".md", ".toml", ".yaml", ".json", ".html", ".js", ".mjs", ".css", ".sql", ".cfg", ".txt", "")


def room_of(name: str) -> str | None:
    """The room a dotted name is in; None for what is not ours."""
    if inside(name, STORY):
        return "engine.sale"
    fit = [room for room in FLOORS if name == room or name.startswith(room + ".")]
    return max(fit, key=len, default=None)


def inside(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(place + ".") for place in places)


# The rules: modules → complaints

def upward_imports(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        own = room_of(module.name)
        if own is None:
            if module.name not in PROGRAM:     # the engine's own package page
                yield f"{module.path}: {module.name} is in no room: give it one in FLOORS"
            continue
        for name, line in module.imports():
            other = room_of(name)
            if other and other != own and FLOORS[other] >= FLOORS[own]:
                yield f"{module.path}:{line}: {own} (floor {FLOORS[own]}) knows {other} (floor {FLOORS[other]})"


def fenced_imports(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        for name, line in module.imports():
            for library, places in FENCES.items():
                if inside(name, (library,)) and not inside(module.name, places):
                    yield f"{module.path}:{line}: {library} belongs into {' and '.join(places) or 'no room'}"


def business_names(modules: list[Module], ids: set[str]) -> Iterator[str]:
    words = {*BRANDS, *ids, *(i.replace("-", "_") for i in ids)}
    pattern = re.compile(r"(?<![A-Za-z])(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) +
                         r")(?![A-Za-z])", re.IGNORECASE)
    for module in modules:
        for number, text in enumerate(module.text.splitlines(), 1):
            if match := pattern.search(text):
                yield f"{module.path}:{number}: names {match[0]!r}, which is the catalogue's business"


def long_functions(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        for name, lines in module.functions():
            if lines > FUNCTION_MAX:
                yield f"{module.path}: {name}() has {lines} lines, more than {FUNCTION_MAX}"


def wide_lines(modules: list[Module], most: int = WIDTH_HARD_MAX) -> Iterator[str]:
    for module in modules:
        for number, text in enumerate(module.text.splitlines(), 1):
            if len(text) > most:
                yield f"{module.path}:{number}: {len(text)} characters wide, more than {most}"


def swallowed_errors(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(s, (ast.Pass, ast.Continue)) for s in node.body):
                caught = ast.unparse(node.type) if node.type else "everything"
                if caught in ("everything", "Exception", "BaseException"):
                    yield f"{module.path}:{node.lineno}: swallows {caught} without a word"


def undescribed(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        if not ast.get_docstring(module.tree):
            yield f"{module.path}: says nothing of what it is for"


def leftovers(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        for number, text in enumerate(module.text.splitlines(), 1):
            if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b", text):
                yield f"{module.path}:{number}: unfinished: {text.strip()}"


def other_clocks(modules: list[Module]) -> Iterator[str]:
    """Business time has one clock, which tests and simulations can stop."""
    for module in modules:
        if module.name == "engine.base.clock":
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
                    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today"):
                yield f"{module.path}:{node.lineno}: {ast.unparse(node.func)}() instead of engine.base.clock"


def tables_of(modules: list[Module]) -> dict[str, str]:
    """Table class → the room that declares it."""
    bases = {"ContentTable", "TradeTable", "SystemTable", "StateLog"}
    return {node.name: room_of(module.name) or module.name for module in modules for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef) and any(ast.unparse(b).rpartition(".")[2] in bases for b in node.bases)}


def foreign_writes(modules: list[Module]) -> Iterator[str]:
    """A table is written in the room that declares it, and nowhere else."""
    owners = tables_of(modules)
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            verb = node.func.attr
            if verb in ("insert", "update", "delete", "later") and node.args:
                table = ast.unparse(node.args[0]).rpartition(".")[2]
            elif verb in ("create", "insert", "insert_many", "update", "delete", "replace", "replace_many"):
                table = ast.unparse(node.func.value).rpartition(".")[2]
            else:
                continue
            if owners.get(table, room_of(module.name)) != room_of(module.name):
                yield f"{module.path}:{node.lineno}: writes {table}, which belongs to {owners[table]}"


def states_written_by_hand(modules: list[Module]) -> Iterator[str]:
    """A thing with a declared life is moved by store.move only."""
    lives = {ast.unparse(node.args[1]) for module in modules for node in ast.walk(module.tree)
             if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Machine"
             and len(node.args) > 1}
    for module in modules:
        for node in ast.walk(module.tree):
            if (isinstance(node, ast.Call) and ast.unparse(node.func) == "store.update" and len(node.args) > 1
                    and ast.unparse(node.args[0]) in lives and isinstance(node.args[1], ast.Dict)
                    and any(isinstance(k, ast.Constant) and k.value == "state" for k in node.args[1].keys)):
                yield f"{module.path}:{node.lineno}: sets a state past the mover"


RULES = (upward_imports, fenced_imports, long_functions, wide_lines, swallowed_errors, undescribed, leftovers,
         other_clocks, foreign_writes, states_written_by_hand)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_program_keeps_the_rule(rule):
    complaints = list(rule(program()))
    assert not complaints, "\n".join(complaints)


def test_no_module_needs_itself():
    assert cycles(import_graph(program())) == []


def test_code_names_nothing_of_the_business():
    ids = {path.stem for kind in NAMED_KINDS for path in (ROOT / kind).glob("*.yaml") if len(path.stem) > 4}
    complaints = list(business_names(program(), ids))
    assert not complaints, "\n".join(complaints)


def test_modules_are_short():
    modules = program()
    long = {m.path: m.lines for m in modules if m.lines > LINES_MAX}
    assert {path: lines for path, lines in long.items() if lines > LINES_HARD_MAX} == {}
    assert len(long) <= LONG_SHARE * len(modules), f"too many modules of more than {LINES_MAX} lines: {long}"


def test_few_lines_are_wide():
    modules = program()
    wide = list(wide_lines(modules, WIDTH_MAX))
    assert len(wide) <= WIDE_SHARE * sum(m.lines for m in modules), "\n".join(wide)


def test_no_file_names_a_machine_or_a_registry():
    found = []
    for path in files(*TEXTS):
        for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := PLACES.search(text):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match[0]}")
    assert found == []


def test_tests_are_never_skipped():
    skips = re.compile(r"pytest\.(sk" r"ip|import" r"orskip|xf" r"ail)|mark\.(sk" r"ip|xf" r"ail)")
    found = [f"{m.path}:{n}" for m in everything() if m.path.startswith("tests/")
             for n, text in enumerate(m.text.splitlines(), 1) if skips.search(text)]
    assert found == []


@pytest.mark.parametrize("folders, extras", [((*PROGRAM, "run"), ("rules", "otel")), (("tests", "bench"), None)],
                         ids=["program", "tests"])
def test_every_library_in_use_is_declared(folders, extras):
    """A package that is only here by luck (another one's dependency) may be gone tomorrow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    declared = {_plain(re.split(r"[\[<>=~ ]", text)[0]) for text in
                [*project["dependencies"], *(d for extra in (optional if extras is None else extras)
                                             for d in optional[extra])]}
    distributions = importlib.metadata.packages_distributions()
    own = {*PROGRAM, "run", "tests", "bench", "tools"}
    missing = set()
    for module in everything():
        if module.name.split(".")[0] not in folders:
            continue
        for name, line in module.imports():
            top = name.split(".")[0]
            if top in own or top in sys.stdlib_module_names:
                continue
            if not {*map(_plain, distributions.get(top, [top])), *PROVIDED.get(top, ())} & declared:
                missing.add(f"{module.path}:{line}: {top} is not declared in pyproject.toml")
    assert sorted(missing) == []


# Modules that a declared package promises to bring: parts of it in all but name.
PROVIDED = {"werkzeug": {"flask"}, "jinja2": {"flask"}, "markupsafe": {"flask"}, "itsdangerous": {"flask"},
            "wtforms": {"flask-wtf"}, "babel": {"flask-babel"}}


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


# Each rule sees what it is for

@pytest.mark.parametrize("rule, name, text", [
    (upward_imports, "engine.base.money", "from ..store import transaction"),
    (upward_imports, "engine.flow.executor", "from ..trade import orders"),
    (upward_imports, "engine.pay.tenders", "def pay():\n    from engine import sale"),
    (upward_imports, "engine.attic.box", "import os"),
    (fenced_imports, "engine.pay.tenders", "import flask"),
    (fenced_imports, "engine.config.check", "from durable.lang import ruleset"),
    (fenced_imports, "engine.wire.codecs", "import urllib.request"),
    (fenced_imports, "engine.api.app", "from huey import SqliteHuey"),
    (long_functions, "engine.sale", "def story():\n" + "    x = 1\n" * FUNCTION_MAX),
    (wide_lines, "engine.sale", "x = '" + "w" * WIDTH_HARD_MAX + "'"),
    (swallowed_errors, "engine.sale", "try:\n    go()\nexcept Exception:\n    pass"),
    (swallowed_errors, "engine.sale", "for x in y:\n    try:\n        go()\n    except:\n        continue"),
    (undescribed, "engine.sale", "x = 1"),
    (leftovers, "engine.sale", "# TO" "DO: later"),
    (other_clocks, "engine.sale", "import time\nnow = time.time()"),
    (other_clocks, "engine.sale", "from datetime import datetime\nnow = datetime.now()"),
    (foreign_writes, "engine.sale", "store.update(Thing, {'a': 1}, no=1)"),
    (foreign_writes, "engine.sale", "tx.later(things.Thing, {'a': 1})"),
    (foreign_writes, "engine.sale", "Thing.create(a=1)"),
    (states_written_by_hand, "engine.trade.things", "store.update(Thing, {'state': 'paid'}, no=1)"),
])
def test_the_rule_sees(rule, name, text):
    declares = Module("engine.trade.declared", '"""Things."""\nclass Thing(store.TradeTable):\n    pass\n'
                      'THING = store.Machine("thing", Thing, "no", Log, (), {}, {})\n')
    assert list(rule([declares])) == []
    assert list(rule([declares, Module(name, text)])) != []


@pytest.mark.parametrize("text", ["# as Alipay does", "kind = 'aiqicha-app'", "def wechat_pay(): ...", "SHOP_APP = 1"])
def test_business_names_are_seen(text):
    assert list(business_names([Module("engine.sale", text)], {"aiqicha-app", "shop-app"})) != []


def test_a_cycle_is_seen():
    one, two = Module("engine.a", "from . import b"), Module("engine.b", "import os\nfrom .a import x")
    assert cycles(import_graph([one, two])) == [["engine.a", "engine.b", "engine.a"]]
    lazy = Module("engine.b", "def f():\n    from .a import x")
    assert cycles(import_graph([one, lazy])) == []
