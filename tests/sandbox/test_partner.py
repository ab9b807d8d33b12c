"""The sandbox as a partner: what it signs, the partner's own `verify:` block believes; what it forges, it does not."""
from __future__ import annotations

import pytest

from engine.wire import IncomingRequest, Places, check_verify, compile_verifier
from engine.wire.model import NoticeRejected
from sandbox import keys
from sandbox.partner import signed_request

from tests.wire.making import ROOT, read

BLOCKS = [pytest.param(read(path)["verify"], id=path.stem) for path in sorted((ROOT / "partners").glob("*.yaml"))]


@pytest.mark.parametrize("verify", BLOCKS)
def test_a_partner_is_believed_and_a_forger_is_not(verify):
    assert check_verify(verify) == []
    keys.ensure_shared(reference["file"] for reference in verify["secrets"].values())
    check = compile_verifier(verify, Places())

    def sent(forged: bool) -> IncomingRequest:
        body, headers = signed_request(verify, "POST", "/v1/partners/x/charges/registered", {"no": "C1", "fen": 990}, forged)
        return IncomingRequest("POST", "/v1/partners/x/charges/registered", {}, headers, body)

    assert check(sent(forged=False)).replay_key
    with pytest.raises(NoticeRejected) as refused:
        check(sent(forged=True))
    assert refused.value.code == "signature_invalid"
