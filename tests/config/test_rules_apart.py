"""The fence around durable-rules under threads, forks and long use, each in a process that may die without the others."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_apart(script: str) -> None:
    """In a process of its own: a crash in C must fail one test and not end the run."""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", PREAMBLE + script], cwd=ROOT, timeout=100,
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "as expected"), done.stderr[-3000:]
    assert "asked no more" not in done.stderr and "could not be built" not in done.stderr


PREAMBLE = """
import logging, os, resource, sys, threading, time
logging.basicConfig()
from engine.config.facts import FactTable
from engine.config.conditions import parse
from engine.config.rules import RuleSet
TABLE = FactTable.at("quote")
TREES = [{"any": [{"gte": {"quantity": i}}, {"eq": {"scene.id": f"s{i}"}}]} for i in range(20)]
TREES += [{"eq": {"quantity": i}, "has": {"buyer.tags": "x"}} for i in range(20)]
RULES = {f"r{i}": parse(tree, TABLE)[0] for i, tree in enumerate(TREES)}
def facts(i):
    return TABLE.closed({"quantity": i, "scene.id": f"s{i % 25}", "buyer.tags": ["x"] if i % 3 else []})
"""


def test_a_first_fact_that_matches_nothing():
    run_apart("""
some = RuleSet("some", {"r": RULES["r5"]}, TABLE)
assert some.matching(facts(0)) == set() and some.matching(facts(6)) == {"r"} and some.matching(facts(0)) == set()
print("as expected")
""")


def test_many_threads():
    run_apart("""
FEW = dict(list(RULES.items())[:7])
sets = [RuleSet("shared", RULES, TABLE), RuleSet("other", FEW, TABLE)]
closures = [RuleSet("shared", RULES, TABLE, closures_only=True), RuleSet("other", FEW, TABLE, closures_only=True)]
wrong, done, end = [], [], time.monotonic() + 4
def work(number):
    i = number
    while time.monotonic() < end:
        i += 8
        which = i % 2 if i % 50 else None
        mine = sets[which] if which is not None else RuleSet(f"own{number}-{i // 50 % 5}", RULES, TABLE)
        expected = closures[which or 0].matching(facts(i))
        if mine.matching(facts(i)) != expected:
            wrong.append(i)
        done.append(1)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
sys.setswitchinterval(1e-5)
for t in threads: t.start()
for t in threads: t.join()
assert not wrong and len(done) > 500, (wrong[:5], len(done))
print("as expected")
""")


def test_forks_in_the_midst_of_threads():
    run_apart("""
shared = RuleSet("shared", RULES, TABLE)
closures = RuleSet("shared", RULES, TABLE, closures_only=True)
stop = threading.Event()
def work(number):
    i = number
    while not stop.is_set():
        i += 4
        shared.matching(facts(i))
threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
for t in threads: t.start()
for child in range(15):
    time.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        good = all(shared.matching(facts(i)) == closures.matching(facts(i)) for i in range(10**6, 10**6 + 60))
        os._exit(0 if good else 1)
    end = time.monotonic() + 20
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0, (child, status)
            break
        assert time.monotonic() < end, f"child {child} hangs"
        time.sleep(0.01)
stop.set()
for t in threads: t.join()
print("as expected")
""")


def test_memory_does_not_grow_with_calls():
    run_apart("""
shared = RuleSet("shared", RULES, TABLE)
def calls(start, count):
    for i in range(start, start + count):
        shared.matching(facts(i))
calls(0, 3000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
calls(3000, 12000)
grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
assert grown_kb < 4096, grown_kb
print("as expected")
""")
