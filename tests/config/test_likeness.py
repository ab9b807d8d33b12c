"""`like:`: a channel that starts as another and says what differs; what is wrong is told where it is written."""
from __future__ import annotations

import dataclasses
from typing import Any, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import wire
from engine.base import canon
from engine.config import likeness
from engine.config.check import check
from engine.config.reader import read_text
from engine.wire.loading import _plain
from tests.config.words import VOCABULARY

WORDS = dataclasses.replace(VOCABULARY, check_channel=wire.check_channel, run_channel_example=wire.run_example)
BASE = """\
id: bank
title: {zh: 银行, en: Bank}
role: pay
base: https://bank.example
secrets: {key: {env: KEY}}
sign:
  text: "{payment.no}"
  hmac_sha256: key
  header: {X-Sign: "{signature}"}
operations:
  pay:
    post: /pay
    json: {no: "{payment.no}", kind: QR}
    judge: [{http: 200, then: pending}, {http: 400, then: failed}]
  close:
    post: /close
    judge: [{http: 200, then: closed}]
examples:
  - {name: method, given: {operation: close, facts: {payment.no: P1}, secrets: {}}, then: {method: POST}}
test_secrets: {key: k}
note: The first.
"""
VARIANT = """\
id: bank-app
like: bank
title: {zh: 银行应用内, en: Bank in-app}
operations:
  pay:
    json: {kind: APP}
    judge: [{http: 200, then: accepted}]
  close: null
"""
BASE = BASE.replace(", secrets: {}", "")


def said(text: str) -> dict[str, Any]:
    source, found = read_text(text, "x.yaml")
    assert source and not found
    return source.data


def problems(**files: str) -> list[str]:
    return [str(problem) for problem in check(_files(files), WORDS).problems]


def _files(files: Mapping[str, str]) -> dict[str, str]:
    return {f"channels/{name.replace('_', '-')}.yaml": text for name, text in files.items()}


def channels(**files: str) -> Mapping[str, Any]:
    result = check(_files(files), WORDS)
    assert result.problems == [] and result.catalog
    return result.catalog.channels


def test_mappings_merge_lists_and_values_replace_null_takes_away():
    found = channels(bank=BASE, bank_app=VARIANT)["bank-app"]
    expected = said(BASE)
    expected |= {"id": "bank-app", "title": {"zh": "银行应用内", "en": "Bank in-app"}}
    del expected["note"], expected["examples"], expected["operations"]["close"]
    expected["operations"]["pay"] |= {"json": {"no": "{payment.no}", "kind": "APP"}, "judge": [{"http": 200, "then": "accepted"}]}
    assert found == expected


def test_the_other_one_stays_as_it_is_and_both_sign():
    both = channels(bank=BASE, bank_app=VARIANT)
    assert both["bank"] == said(BASE)
    for id in both:
        ch = wire.load(both[id], wire.Given({"key": "k"}))
        assert ch.id == id and wire.declares(ch, "close") is (id == "bank")


def test_its_digest_covers_what_it_is_like():
    def digest(base: str) -> str:
        return canon.digest(_plain(channels(bank=base, bank_app=VARIANT)["bank-app"]))
    assert digest(BASE) == digest(BASE.replace("The first", "Another note"))     # a note is each file's own
    assert digest(BASE) != digest(BASE.replace("hmac_sha256", "hmac_sha1"))


def test_a_change_of_the_other_file_alone_reaches_it_though_parts_are_kept():
    assert channels(bank=BASE, bank_app=VARIANT)["bank-app"]["base"] == "https://bank.example"
    assert channels(bank=BASE.replace("bank.example", "new.example"), bank_app=VARIANT)["bank-app"]["base"] == \
        "https://new.example"


@pytest.mark.parametrize("change, expected", [
    (("like: bank", "like: bnak"), 'channels/bank-app.yaml:2:7: [like] there is no channel "bnak" to be like'),
    (("like: bank", "like: bank-app"), "channels/bank-app.yaml:2:7: [like] a channel can't be like itself"),
    (("like: bank", "like: 7"), "channels/bank-app.yaml:2:7: [like] there is no channel 7 to be like"),
    (("close: null", "closed: null"), "channels/bank-app.yaml:8:3: [like] there is nothing to take away here"),
    (("kind: APP", "kind: '{payment.nr}'"), "channels/bank-app.yaml:6:18: [channel] 'payment.nr' can't be named here"),
    (("then: accepted", "then: acepted"), "channels/bank-app.yaml:7:31: [choice]"),
    (("  close: null", "secrets: {key: null}"),
     "channels/bank.yaml:8:16: [channel] in bank-app, which is like this: there is no secret 'key'"),
    (("  close: null", "role: null"), "channels/bank-app.yaml:1:1: [missing-key] role"),
])
def test_what_is_wrong_is_told_where_it_is_written(change, expected):
    found = problems(bank=BASE, bank_app=VARIANT.replace(*change))
    assert [line[:len(expected)] for line in found] == [expected], found


def test_a_chain_is_refused():
    further = VARIANT.replace("id: bank-app", "id: bank-web").replace("like: bank", "like: bank-app")
    found = problems(bank=BASE, bank_app=VARIANT, bank_web=further)
    assert len(found) == 1 and "channels/bank-web.yaml:2:7: [like] bank-app is itself like another channel" in found[0]


@pytest.mark.parametrize("change", [("role: pay", "role: bank"), ("hmac_sha256: key", "hmac_sha256: kez"), ("id: bank", "id: b")])
def test_a_slip_in_the_other_file_is_told_once(change):
    found = problems(bank=BASE.replace(*change), bank_app=VARIANT, bank_web=VARIANT.replace("bank-app", "bank-web"))
    assert len(found) == 1 and found[0].startswith("channels/bank.yaml:"), found


def test_an_unreadable_other_file_is_told_once():
    found = problems(bank=BASE + "\t: x", bank_app=VARIANT)
    assert len(found) == 1 and found[0].startswith("channels/bank.yaml:"), found


def test_a_failing_example_stands_in_its_own_file():
    example = "examples:\n  - {name: pay, given: {operation: pay, facts: {payment.no: P1}}, then: {method: GET}}\n"
    found = problems(bank=BASE, bank_app=VARIANT + example)
    assert len(found) == 1 and found[0].startswith("channels/bank-app.yaml:10:5: [example]")


def test_a_folder_read_without_checks_gives_whole_documents():
    documents = {"bank": said(BASE), "bank-app": said(VARIANT), "x": {"like": "nobody"}}
    found = likeness.merged_all(documents)
    assert set(found) == {"bank", "bank-app"}
    assert found["bank-app"] == channels(bank=BASE, bank_app=VARIANT)["bank-app"]


TREES = st.recursive(st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
                     lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=4), max_leaves=12)
DOCS = st.dictionaries(st.sampled_from("abcd"), TREES, max_size=4)


@given(DOCS)
def test_like_and_nothing_more_is_the_same(base):
    assert likeness.merged(base, {"like": "x"}) == (base, [])


@given(DOCS, DOCS)
def test_what_a_file_says_is_so(base, own):
    whole, faults = likeness.merged(base, own)
    assert faults == [] and _holds(own, whole) and set(whole) == set(base) | set(own)
    assert likeness.merged(whole, own) == (whole, [])


def _holds(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and _holds(value, whole[key]) for key, value in part.items())
    return part == whole
