"""`run.py channel conform`: a whole file holds, and a file that is wrong in one place fails in the drill that is about it."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source import ROOT

pytestmark = pytest.mark.slow


def conform(file, *more: str) -> tuple[int, str, str]:
    """In a process of its own: it makes a ground with databases of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SALEWRIGHT_")}
    done = subprocess.run([sys.executable, ROOT / "run.py", "channel", "conform", str(file), *more], env=env, text=True,
                          capture_output=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("channel, drills", [
    ("sandbox-qr", ["pay ", "the notice, three times", "a forged notice", "an outcome nobody knows", "refund ", "close ", "sold by the engine"]),
    ("sandbox-upstream", ["charge ", "charge, outcome unknown", "a forged answer"]),
    ("wechat-papay", ["sign, withhold, unsign", "pay and sign, withhold, unsign"]),
    ("sandbox-sms", ["send "]),
])
def test_a_whole_file_holds(channel, drills):
    code, out, err = conform(channel)
    assert code == 0, out + err
    assert all(any(line.startswith(drill) and " holds " in line for line in out.splitlines()) for drill in drills), out


SPOILT = {
    "a name that changes": ("sandbox-qr", "    once_by: body.id\n", "    once_by: body.resource.nonce\n", "the notice, three times",
                            "`once_by:` must name what stays the same"),
    "a verdict over what is not known": ("razorpay", "  - {http: 429, then: busy}\n", "  - {http: 500..599, then: failed}\n", "an outcome nobody knows",
                                         "must come out as unknown, not failed"),
    "a close with no end": ("sandbox-qr", "    judge: [{http: 204, then: closed}]\n", "    judge: [{http: 204, then: pending}]\n", "close",
                            "close came out as"),
    "a statement that forgets which refund": ("wechat-native", "refund_no: 商户退款单号, channel_refund_no: 微信退款单号, ", "", "a day's statement",
                                              "the statement has no rows of the refund"),
}


@pytest.mark.parametrize("channel", ["wechat-native", "stripe"])
def test_a_statement_has_what_was_paid_and_given_back(channel):
    code, out, err = conform(channel, "--only", "a day's statement")
    assert code == 0 and "the statement has payment and refund, once each" in out, out + err


@pytest.mark.parametrize("name", SPOILT)
def test_a_wrong_file_fails_where_it_is_wrong(tmp_path: Path, name):
    channel, old, new, drill, told = SPOILT[name]
    text = (ROOT / "channels" / f"{channel}.yaml").read_text()
    assert old in text
    path = tmp_path / f"{channel}.yaml"
    path.write_text(text[:text.index("test_secrets:")].replace(old, new))
    code, out, err = conform(path, "--only", drill)
    assert code == 1 and "FAILS" in out and told in err and err.strip().startswith(f"{drill}: fails"), out + err


@pytest.mark.parametrize("digest", ["ecdsa_sha256", "ecdsa_raw_sha256", "rsa_pss_sha256"])
def test_other_key_pairs_sign_and_are_told_from_forgeries(tmp_path: Path, digest):
    text = (ROOT / "channels" / "wechat-native.yaml").read_text()
    path = tmp_path / "wechat-native.yaml"
    path.write_text(text[:text.index("test_secrets:")].replace("rsa_sha256", digest))
    code, out, err = conform(path, "--only", "a forged answer")
    assert code == 0 and "query succeeded → query unknown" in out, out + err
    code, out, err = conform(path, "--only", "a forged notice")
    assert code == 0 and "refused: signature_invalid" in out, out + err


def test_a_drill_there_is_not():
    code, _, err = conform("sandbox-sms", "--only", "sand")
    assert code == 1 and "there is no drill 'sand': pay, " in err
