"""Key pairs that everybody may know, two of RSA and two on the curve P-256: the `examples:` of channel files are signed with
them, nothing else is.

In `test_secrets:`, `test:ours` and `test:theirs` (on the curve `test:ours_ec`, `test:theirs_ec`) stand for the half a secret's
`as:` asks for. Only `run_example` reads this module; a real channel's secrets come from the environment or the secrets folder.
"""
from __future__ import annotations

from typing import Any

PAIRS = {
    "ours": {
        "private_key": """-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCy0+spLqLLSH4T
FcP0wRTlxVINEASA3rxNhLz5e4GryR27763BfIXaD35AwKAOFrPzdNoI0WuEmcbY
aWP9zvp+jWEzWfOeQ478zdrbOOX19CFgRDvgteW2KHyDDcRwS7kRGWlQQf6cU8dO
83zCbNXGThB2OGwZt/ENUuYiHWKnBlIGYAx8T5ohIZu+s/opwaS+JYa2oE6igI/8
SZQOepBkXZdchy6kyJo/ukm6zoXbYQACjQqUHw9sCa08RFVZzRqb+8SIDmRZESpd
zQaLQNv6NBj8B/wyINHBlIXC5QUhaohdq8Szs08kJ43IVNshPdNptcz6pdowh6Wm
08t1SReLAgMBAAECggEAAenwgPdTbLE9HF3wjRPgTW0GqbosTNT275u7ijRdjkjD
iYKmiPjDelcl6rVMqNVeajoTZWIxJAyVQ3450wNo3pnzIJh35hWpAp3OI/QY1uUQ
fW0FI2mERyAsp6BOne/nnxaDJwW8Q4F3K8i1UKzjgfKEN3E0MH2C8YjYr0jgjsnj
71YjXuLeux8fC916g751uTWefAeAPujHz9xtxCFyum1pUhilYzejxQkd0SEGbEnq
CpIESl6zGHSrs8gymdVrk7gyb//f3HYJRy9+i3Ehc9VN9A2dprqXPY/Q5eRvtmhI
M7GsNEDvExhTdeeRdvrtlgz4scb4r93hi/HETAekkQKBgQD7x+7Qmiyk+wsvb7IL
hAA56+1oDBZkPjWVOZGclv1XpZnIIRDgdy+lIG8gzsYLFlEuOZXfRFjV1gUNn4d1
8Su6hJIWygSvQwLLeBacAi10diM/PwdvmTe7deTv7gTBOybTmV/gFZAFzKjZ1jnx
1F0DAcnFxqZ6RtLTXaZc1d5p0wKBgQC10wmutWXSX4PgoAS7HpPz3em9iECA5dJN
jc+Vg32RkjO2Gw8u2xlNGZ3tprUGTxkD2w4TV3Fb6IXGFZHsn7yeDgFjsszokSGj
BKV21Fksl1fBNIwaLRjBj7F353kU0fLNeTSfatlnMPRtkvhc33Hx0cIK5IQZDw8D
61Q98bOQaQKBgAT7mvVT58hIE5uXuU1TCnIbAjLJ8nN/a64NWp1fu5nNdDKqvNvE
YBQDhU9/6Bl2Eps4loe5oYxx1N3FJ3glErl5QC7lRpx1VgvSz5e8z0t7vwzUYYBK
5vh1x9cbvcpZMlaDtYsIwjXrK/hLrg/kJQcXNPgOC2NmHWwDcXRq4yDzAoGAPK/N
gYSGEatTpvuB2LqiAzlENMBvVxZeFQiKCosytA2qONPbQ3ZZgYRVU+bacNqhrMnG
buo2qch4Ld8xL1s5Zz+hcxdQkScvpOt+FqVVhi6VWaUiRfJbWu+M+kpF/Y79jVsx
Fyxgl7KdQp1VTBpAO8gZDe2rsXl3N4WqPmqX1lECgYA1jRWvH+QuvBqmi1hqLbxw
J4mnJ9UErdSgAU+sSTYxtycTrXW0xG3p2FPAypFTPv0eKFL2jomNlPVDgYgaDq0F
eTEyhPPJgY+uR2yYOj7eM2mlrGmlXwkxTGch8gRngy1dAnB7pHTtdA59e9RHVlu+
x7sAkmn79M54Llg9RfGXAw==
-----END PRIVATE KEY-----
""",
        "public_key": """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAstPrKS6iy0h+ExXD9MEU
5cVSDRAEgN68TYS8+XuBq8kdu++twXyF2g9+QMCgDhaz83TaCNFrhJnG2Glj/c76
fo1hM1nznkOO/M3a2zjl9fQhYEQ74LXltih8gw3EcEu5ERlpUEH+nFPHTvN8wmzV
xk4QdjhsGbfxDVLmIh1ipwZSBmAMfE+aISGbvrP6KcGkviWGtqBOooCP/EmUDnqQ
ZF2XXIcupMiaP7pJus6F22EAAo0KlB8PbAmtPERVWc0am/vEiA5kWREqXc0Gi0Db
+jQY/Af8MiDRwZSFwuUFIWqIXavEs7NPJCeNyFTbIT3TabXM+qXaMIelptPLdUkX
iwIDAQAB
-----END PUBLIC KEY-----
""",
    },
    "theirs": {
        "private_key": """-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDXy/BLbB53LYtG
9vJ9P//HzG5ZqySipwYPl/zBYFCS8b7m8L0GasRhEcrNbG9Zjr8HvN0b+5Iu6Kpc
lSju14GR1lWVUjMez5CGpiJCTv4ptAGIlNlThNfv9ITFP/GtxfupciTaBd5bQ+ZJ
SKhMdgV2mwFc0hWwJ3le6lAWfzKKfeWQAo0LLdio1PJfmNLonWvMloI06AWlWfQc
fzeZS/FwnCY62illtIeLquWoEKUCG0/Wyrg/oULLp17TPEuEDCn3cUa9D3b4FbKj
TyZn/artw+EVWo9GWqxG/Tf14UUBHdR2+X+GUizTDQ/ql8TQ80RvmUsazboxtH6S
mFE4KpKxAgMBAAECggEAZp0L1RmC/SHTjjmkQim6G4xa1tm6UHvCtoyLvHprpgw9
Pjywbco8OnpG6NrMshXeQbQtof5E23h4dhDZh4VDkBEO3jPZqieCLnz2YniEhFkb
t5IsK3pKYkhwEAmhhwPTcRYdbu0GeHh3m1Zo7P7cBzOa+MPPW1XR8W/TCHeQlWh7
JIyBJltixiFF6La36XJCMubsqhOOsQp7JOFvavR5sHWU5vG9uEaqup/l7+JnvQMZ
KaoO05KoFSd8cM2THeqSlAihGzU5CnnAe4mmvRuNloWhQRlSX6P6/ytvP0LksxwI
O5n4WUnssx0Uvj20jPZrnrbnwYVD+flWSXkuyuPhXwKBgQD9YczQatFVxGI0xjph
QUmsl1iMjH1LKTN19aaeLjepFx4gEh7kxYPOAYlfoQFsVDpW+IQdOhqT7i5wc0/b
eTTgAfdUknAZqtz8Ba/eFTNZsy0WukUua+85a7AoT28diuXZvnHQFb2m3ZXIrmaP
t7xMQNkRSRc2HOK16OS7lBpJ9wKBgQDaBrl8vdTaHtWFxIpZx724TmgofZy4nYRo
AHhk36SkpIgc5sH9kGLXxHVqgo6ZHvS9Th4eidlohynmhezCOg26X2MkBNtOLC3w
p5Gzhxhia/QmEDF2+c4p/qqBJLWbDjKYjbiqhWgJVS6Hm3aLrjKMnAkTC9YOc9hR
B3PT6HIelwKBgGnNut6UnBD6Th/HXn1Z68+76ufVikQmUizBhO+sUOW0l4nAx1G0
AFO3ZIugCZ4YlbvXTiN+Lbbz0ER4gjIdLK0VZRfVhiXRqTE7lrJfm++q1/sTkOvP
ejc59nb+pGFrrIr98Tx4t5bEFFWWLZF5oZEdywZixOR9r1VSiKCjOU8FAoGAG9hU
BDxyXNEnUAhD6yd5cXqCDvnL9EAZ0vaMacWuT2C8CYTnLa0tEoWCwXGfKKstcqfx
bNEKNTFeBpUAIeYsLqtUDBuarqcxztR35UfRs3A6JEpZJurMi8x8ljXMA9uSVq1y
8kRLfzWj1anjP/+lcRPUjNwsIHhnHiInht7fBE0CgYAwT0WLUiHQNWA4O4FCZQ3x
xHkuLXWxpftwtvVY8QXUo4xIBlgMv9ChkEFtt9/gOThjrHo6rASXbPiMM4kfoMKu
npHQvIN21hsb1QxDHjikCiozuBi1RW5TMhMMgUPcMcfs3VBrSry2R8ITk3R2ZsAH
SGfhVHDdFzXiExXEL3ZafQ==
-----END PRIVATE KEY-----
""",
        "public_key": """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA18vwS2wedy2LRvbyfT//
x8xuWaskoqcGD5f8wWBQkvG+5vC9BmrEYRHKzWxvWY6/B7zdG/uSLuiqXJUo7teB
kdZVlVIzHs+QhqYiQk7+KbQBiJTZU4TX7/SExT/xrcX7qXIk2gXeW0PmSUioTHYF
dpsBXNIVsCd5XupQFn8yin3lkAKNCy3YqNTyX5jS6J1rzJaCNOgFpVn0HH83mUvx
cJwmOtopZbSHi6rlqBClAhtP1sq4P6FCy6de0zxLhAwp93FGvQ92+BWyo08mZ/2q
7cPhFVqPRlqsRv039eFFAR3Udvl/hlIs0w0P6pfE0PNEb5lLGs26MbR+kphROCqS
sQIDAQAB
-----END PUBLIC KEY-----
""",
    },
    "ours_ec": {
        "private_key": """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgl4mx+NXr0DGSD/na
BOJXF19WlQeWvY00cUayEF1AWjOhRANCAAR9fE5ZYAhVv+1VsHH054QtSr3xcX3Z
GCk9gKNGlx+3TtvQBmkAiP5OJP/jdZWgAkc5WCtTkcPAcIhMtFrBLO1f
-----END PRIVATE KEY-----
""",
        "public_key": """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfXxOWWAIVb/tVbBx9OeELUq98XF9
2RgpPYCjRpcft07b0AZpAIj+TiT/43WVoAJHOVgrU5HDwHCITLRawSztXw==
-----END PUBLIC KEY-----
""",
    },
    "theirs_ec": {
        "private_key": """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYHm37gu0wDGjaFLi
sjzhJBWPWBww0uVJ4L6vpQtgQ/KhRANCAAQ1ZrNaWS6ynI6azF/eY4YMkjVhLunz
5axZtPLhlLec6i0wnhuRa6+SxoDzbodEaWA7+OazlOpp2fgCFd/DZivU
-----END PRIVATE KEY-----
""",
        "public_key": """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENWazWlkuspyOmsxf3mOGDJI1YS7p
8+WsWbTy4ZS3nOotMJ4bkWuvksaA826HRGlgO/jms5Tqadn4AhXfw2Yr1A==
-----END PUBLIC KEY-----
""",
    },
}


def named(text: str, half: str) -> str:
    """`test:ours` → the PEM of that half (private_key, public_key); any other text is itself."""
    pair, _, name = text.partition(":")
    return PAIRS[name][half] if pair == "test" and name in PAIRS else text


def on_curve(value: Any) -> Any:
    """The same test keys, of an elliptic curve: a text, or a keyring of them."""
    if isinstance(value, dict):
        return {key_id: on_curve(text) for key_id, text in value.items()}
    return f"{value}_ec" if value in ("test:ours", "test:theirs") else value
