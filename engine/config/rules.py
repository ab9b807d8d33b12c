"""Rule sets: which of many conditions hold for one closed set of facts. The only module that knows durable-rules.

durable-rules 2.0.28 is fast and answers right, inside a fence. What the fence keeps out was found in its C code and
tried out in processes of its own:

- No text of the outside world enters it: a text fact becomes the number of the word that rules compare it with, or 0.
  Numbers are held to ±2^53. What it can't compare (lists, patterns, emptiness) becomes a column of 0 or 1 beforehand.
- It raises at 512 rules and hangs past that; it fails (error 303) when a fact keeps more than 64 tests open at once;
  alternatives beside one another multiply. So sets are cut at `TESTS_MAX` and `OPEN_MAX`, and a condition that is too
  wide is decided beforehand, as one column.
- A fact that nothing matches leaves a state whose deletion frees a wild pointer. Every set has a rule that always
  matches, and is asked once, with zeros, before it is trusted.
- Its timers and its C state know no threads: no timer is started, and one lock holds assert, read and delete together.
- It gives up in silence when a clock jumps by 10 s between two actions. An answer without its end is no answer.
- A set is never freed: sets are named by content, shared, and limited in number.

Whatever still goes wrong inside is logged, the set is never asked again, and the closures answer; they evaluate
everything where durable-rules can't be imported (Python ≥ 3.13, no compiler). A property test holds both to one answer.
"""
from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import logging
import os
import re
import threading
from typing import Any, Mapping

from ..base import canon
from .columns import Columns, size_of
from .conditions import Condition, Facts, compile_closure, facts_named
from .facts import FactTable

TESTS_MAX = 200                # tests in one set: the engine has room for 254 columns, and hangs at 513 tests or rules
OPEN_MAX = 56                  # tests of a set that one fact can keep open at once; the engine has room for 64
SETS_MAX = 200                 # sets in one process, each of 0.1 to 0.5 MB, never freed
ANSWERS_MAX = 1024             # remembered answers of one set
_PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,40}\Z")
_log = logging.getLogger("salewright.rules")


def backend() -> tuple[str, str]:
    """What evaluates rule sets here: ("durable-rules", its version) or ("closures", the reason)."""
    module, reason = _durable()
    return ("durable-rules", importlib.metadata.version("durable_rules")) if module else ("closures", reason)


class RuleSet:
    """Conditions by id, asked all at once. Build it when a release is compiled and keep it; any thread may use it.

    prefix  what the rules are for (`coupon`), in names and logs
    rules   id → condition, or None for one that always holds
    facts   the table whose closed facts the rules will be given; ValueError when a rule names a fact it does not have
    closures_only  evaluate by closures, whatever is installed
    """

    def __init__(self, prefix: str, rules: Mapping[str, Condition | None], facts: FactTable,
                 closures_only: bool = False):
        if not _PREFIX.match(prefix):
            raise ValueError(f"{prefix!r} is no prefix: lower-case letters, digits, - and _")
        self.always = frozenset(rule_id for rule_id, condition in rules.items() if condition is None)
        same: dict[Condition, list[str]] = {}
        for rule_id, condition in rules.items():
            if condition is not None:
                if unknown := sorted(facts_named(condition) - set(facts.facts)):
                    raise ValueError(f"rule {rule_id!r} names {unknown[0]!r}, which is no fact of stage {facts.stage}")
                same.setdefault(condition, []).append(rule_id)
        self._slices = tuple(_Slice(prefix, part) for part in _parts(same))
        self._closures_only = closures_only or not _durable()[0]

    def matching(self, facts: Facts) -> frozenset[str]:
        """Ids of the rules that hold for closed facts (`FactTable.closed`)."""
        found = self.always
        for part in self._slices:
            found |= part.by_closures(facts) if self._closures_only else part.by_durable(facts)
        return found


def _parts(same: Mapping[Condition, list[str]]) -> list[list[tuple[Condition, frozenset[str]]]]:
    """Conditions with their ids, cut so that no part asks more of a durable set than it bears."""
    parts: list[list[tuple[Condition, frozenset[str]]]] = []
    tests = still_open = 0
    for condition, ids in same.items():
        size = size_of(condition)
        tests, still_open = tests + size.tests, still_open + size.open
        if not parts or tests > TESTS_MAX or still_open > OPEN_MAX:
            parts.append([])
            tests, still_open = size.tests, size.open
        parts[-1].append((condition, frozenset(ids)))
    return parts


class _Slice:
    """As many rules as one durable set bears: their closures, their columns and the answers given so far."""

    def __init__(self, prefix: str, rules: list[tuple[Condition, frozenset[str]]]):
        self.rules = tuple((compile_closure(condition), ids) for condition, ids in rules)
        self.columns = Columns()
        self.definition = {f"r{i}": self.columns.expression(condition) for i, (condition, _) in enumerate(rules)}
        self.name = f"{prefix}-{canon.digest(self.definition)[:20]}"
        self._answers: dict[tuple[int, ...], frozenset[str]] = {}

    def by_closures(self, facts: Facts) -> frozenset[str]:
        return frozenset().union(*(ids for holds, ids in self.rules if holds(facts)))

    def by_durable(self, facts: Facts) -> frozenset[str]:
        # The columns are all that the set sees, so equal columns have equal answers: most facts never reach the lock.
        values = self.columns.values(facts)
        known = self._answers.get(values)
        if known is not None:
            return known
        fired = _fence.ask(self.name, self.definition, self.columns.names, values)
        if fired is None:
            return self.by_closures(facts)
        if len(self._answers) >= ANSWERS_MAX:
            self._answers.clear()
        answer = self._answers[values] = frozenset().union(*(self.rules[i][1] for i in fired))
        return answer


class _Fence:
    """durable-rules in one process: host, lock and sets. A forked child starts with an empty one."""

    def __init__(self):
        self._lock = threading.Lock()
        self._host: Any = None
        self._usable: dict[str, bool] = {}                      # set name → may it be asked?
        self._fired: list[int] = []                             # where the actions of the call under way write
        self._calls = itertools.count()
        self._full = False

    def ask(self, name: str, definition: Mapping[str, Any], columns: tuple[str, ...],
            values: tuple[int, ...]) -> list[int] | None:
        """Numbers of the rules that fired; None when the set can't say, and the closures must."""
        with self._lock:
            if name not in self._usable and not self._is_full():
                self._usable[name] = self._build(name, definition, columns)
            if not self._usable.get(name):
                return None
            try:
                return self._post(name, columns, values, delete=True)
            except Exception:
                _log.exception("rule set %s failed and is asked no more; closures evaluate it from now on", name)
                self._usable[name] = False
                return None

    def _is_full(self) -> bool:
        if len(self._usable) >= SETS_MAX and not self._full:
            self._full = True
            _log.warning("this process holds %d rule sets, which can't be freed: closures evaluate new ones until "
                         "it is restarted", SETS_MAX)
        return self._full

    def _build(self, name: str, definition: Mapping[str, Any], columns: tuple[str, ...]) -> bool:
        try:
            if self._host is None:
                self._host = _new_host(_durable()[0])
            rules = {rule: {"all": [{"m": expression}], "run": self._action(number)}
                     for number, (rule, expression) in enumerate(definition.items())}
            rules["always"] = {"all": [{"m": {"kind": 1}}], "run": self._action(-1)}
            self._host.register_rulesets({name: rules})
            self._post(name, columns, (0,) * len(columns), delete=False)
            return True
        except Exception:
            _log.exception("rule set %s could not be built; closures evaluate it", name)
            return False

    def _action(self, number: int):
        def run(context: Any) -> None:
            self._fired.append(number)
        return run

    def _post(self, name: str, columns: tuple[str, ...], values: tuple[int, ...], delete: bool) -> list[int]:
        """One record in, the numbers of its rules out. `delete`: delete the state even when this fails."""
        self._fired.clear()
        call = str(next(self._calls))
        record = dict(zip(columns, values), kind=1, sid=call)
        try:
            state = self._host.assert_fact(name, record)
            delete = True
        finally:
            if delete:
                self._host.delete_state(name, call)
        if not isinstance(state, dict) or "exception" in state or -1 not in self._fired:
            raise RuntimeError(f"the answer has no end: {state!r}, {self._fired!r}")
        return [number for number in self._fired if number >= 0]


def _new_host(durable_engine: Any) -> Any:
    class Host(durable_engine.Host):
        def _run(self) -> None:
            """Starts no timers: they would enter the C code beside the callers."""

    return Host()


_import_lock = threading.Lock()
_imported: tuple[Any, str] | None = None
_fence = _Fence()


def _durable() -> tuple[Any, str]:
    """(durable.engine, "") or (None, why it can't be imported)."""
    global _imported
    with _import_lock:
        if _imported is None:
            try:
                _imported = importlib.import_module("durable.engine"), ""
            except Exception as error:                          # on Python 3.13 its C part fails in ways of its own
                _imported = None, f"durable-rules can't be imported: {error}"
        return _imported


def _after_fork() -> None:
    """A child must not use what the parent's threads may have been in the middle of."""
    global _fence, _import_lock
    _fence, _import_lock = _Fence(), threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
