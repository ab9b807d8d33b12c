"""Patterns: the whole text matches, and nothing that is taken can stall."""
from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.patterns import PATTERN_MAX, TEXT_MAX, PatternError, compile_pattern

TAKEN = [
    r"b-[0-9]+", r"1[3-9]\d{9}", r"[^@]+@[^@]+\.[a-z]+", r"\d+-\d+-\d+", r"(?i)vip.*", r"(foo|bar)+", r"(far|foo)x",
    r"(?:[a-z]+-)*[a-z]+", r"[一-龥]+公司", r"\w+ \w+ \w+", r".*app.*", r"(a|b)*c", r"a?a?a?a?", r"", r"(ab){3}",
    r"[^\d]+1", r"[a-z]*[a-z]*[0-9]", r"a{1,50}b{1,50}", r"^a$", r"\S+\s\S+",
]
REFUSED = [
    r"(a+)+", r"(a|aa)*", r"(a|a)*b", r".*.*.*", r"(a{1,50}){1,50}", "a?" * 30, "x*" * 50, r"(\d+,?)*", r"([a-z]*)*",
    r"[^\d]*a[^\d]*a[^\d]*a", r"(?i)[a-z]*[a-z]*[a-z]*A",
    r"(?=x)x", r"(?<!x)x", r"(a)\1", r"(?P<n>a)(?P=n)", r"(a)?(?(1)b|c)", r"(?>a+)b", r"a++",
    "(", "[", "a{9999999999999}", "x" * (PATTERN_MAX + 1),
]
BAD_TEXTS = [
    "a" * TEXT_MAX, "a" * (TEXT_MAX - 1) + "!", "1" * (TEXT_MAX - 1) + "!", "ab" * (TEXT_MAX // 2 - 1) + "!",
    "a-" * 99 + "!", "a@" * 99, "foo" * 66 + "!", " " * TEXT_MAX, "公" * TEXT_MAX,
]


@pytest.mark.parametrize("pattern, text, answer", [
    (r"b-[0-9]+", "b-12", True), (r"b-[0-9]+", "ab-12", False), (r"b-[0-9]+", "b-12c", False),
    (r"b-[0-9]+", "b-12\n", False), (r"a|ab", "ab", True), (r"(?i)vip", "VIP", True),
    (r".*", "a" * TEXT_MAX, True), (r".*", "a" * (TEXT_MAX + 1), False),
    (r".", "爱", True), (r"", "", True), (r"\d", "٣", True),
])
def test_matching(pattern, text, answer):
    assert compile_pattern(pattern)(text) is answer


@pytest.mark.parametrize("pattern", TAKEN)
def test_what_is_taken_ends_soon(pattern):
    matches = compile_pattern(pattern)
    began = time.process_time()
    for text in BAD_TEXTS:
        matches(text)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("pattern", REFUSED, ids=lambda pattern: pattern[:30])
def test_what_is_refused(pattern):
    with pytest.raises(PatternError):
        compile_pattern(pattern)


@pytest.mark.filterwarnings("ignore::FutureWarning")           # `[[` and the like may be read otherwise one day
@given(st.text(alphabet="ab1.*+?{},2|()[]^$\\d-", max_size=24))
def test_any_pattern_is_refused_or_ends_soon(pattern):
    try:
        matches = compile_pattern(pattern)
    except PatternError:
        return
    began = time.process_time()
    for text in ("a" * TEXT_MAX, "ab" * (TEXT_MAX // 2 - 1) + "!", "1" * (TEXT_MAX - 1) + "-"):
        matches(text)
    assert time.process_time() - began < 0.5
