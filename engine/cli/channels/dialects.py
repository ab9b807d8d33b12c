"""The menu of `channel new`: the ways providers commonly sign, each as the blocks a file begins with.

`@ID@` stands for the channel's id. Every line that must be held against the provider's documentation ends in `# ←`.
"""
from __future__ import annotations

from typing import NamedTuple


class Dialect(NamedTuple):
    """`about`: how a person recognises it in a documentation; `body`: what requests and notices are made of."""
    about: str
    body: str
    blocks: str


_PAIRS = '''\
secrets:
  merchant_id: {env: @ENV@_MERCHANT_ID}                # our number at the provider
  key: {env: @ENV@_KEY}                                # the shared key; it never stands in this file
sign:
  pairs: {sort: key, empties: drop, @WRAP@}            # ← order, empty fields, where the key stands
  hash: md5                                            # ← md5, sha1, sha256, sha512
  encode: @CASE@                                         # ← HEX is upper case, hex lower case, base64
  body: {sign: "{signature}"}                          # ← the field that carries the signature
verify:                                                # how answers and notices are signed
  pairs: {sort: key, empties: drop, @WRAP@}            # ←
  hash: md5                                            # ←
  encode: @CASE@                                         # ←
  signature: body.sign                                 # ←
'''

DIALECTS = {
    "md5-after": Dialect("the fields, sorted, as a=1&b=2, then &key=KEY; MD5", "form",
                         _PAIRS.replace("@WRAP@", 'after: "&key={key}"').replace("@CASE@", "HEX")),
    "md5-around": Dialect("KEY, the fields, sorted, joined without separators, KEY again; MD5", "form",
                          _PAIRS.replace("@WRAP@", 'join: "", between: "", before: "{key}", after: "{key}"')
                          .replace("@CASE@", "hex")),
    "md5-values": Dialect("the values alone, sorted by their names, then KEY; MD5", "form",
                          _PAIRS.replace("@WRAP@", 'show: values, join: "", after: "{key}"').replace("@CASE@", "hex")),
    "rsa-pairs": Dialect("the fields, sorted, as a=1&b=2; SHA256withRSA, base64, in a field", "form", '''\
secrets:
  merchant_id: {env: @ENV@_MERCHANT_ID}                # our number at the provider
  key: {file: @ID@-own.pem, as: private_key}           # our private key
  provider: {file: @ID@-provider.pem, as: public_key}  # the provider's public key, or its certificate
sign:
  pairs: {sort: key, empties: drop, except: [sign]}    # ← order, empty fields, what is left out
  rsa_sha256: key                                      # ← rsa_sha256 or rsa_sha1
  body: {sign: "{signature}"}                          # ← the field that carries the signature
verify:                                                # how answers and notices are signed
  pairs: {sort: key, empties: drop}                    # ←
  rsa_sha256: provider                                 # ←
  signature: body.sign                                 # ←
'''),
    "rsa-header": Dialect("lines of method, path, time, nonce and body; SHA256withRSA, base64, in a header", "json", '''\
secrets:
  merchant_id: {env: @ENV@_MERCHANT_ID}                # our number at the provider
  key: {file: @ID@-own.pem, as: private_key}           # our private key
  provider: {file: @ID@-provider.pem, as: public_key}  # the provider's public key, or its certificate
sign:
  text: "{method}\\n{path_and_query}\\n{timestamp}\\n{nonce}\\n{body}\\n"    # ← the provider's "string to sign", line by line
  rsa_sha256: key                                      # ←
  header:                                              # ← the header that carries it
    Authorization: 'RSA-SHA256 merchant="{merchant_id}",nonce="{nonce}",timestamp="{timestamp}",signature="{signature}"'
verify:                                                # how answers and notices are signed
  text: "{header.X-Timestamp}\\n{header.X-Nonce}\\n{body}\\n"              # ←
  rsa_sha256: provider                                 # ←
  signature: header.X-Signature                        # ←
  fresh: {at: header.X-Timestamp, within: 300s}        # ← how old a message may be
'''),
    "hmac-header": Dialect("time, nonce and body; HMAC-SHA256 with a shared key, hex, in a header", "json", '''\
secrets:
  merchant_id: {env: @ENV@_MERCHANT_ID}                # our number at the provider
  key: {env: @ENV@_KEY}                                # the shared key; it never stands in this file
sign:
  text: "{timestamp}.{nonce}.{body}"                   # ← the provider's "string to sign"
  hmac_sha256: key                                     # ← hmac_sha1, hmac_sha256, hmac_sha512, hmac_md5
  header: {X-Merchant: "{merchant_id}", X-Timestamp: "{timestamp}", X-Nonce: "{nonce}", X-Signature: "{signature}"}    # ←
verify:                                                # how answers and notices are signed
  text: "{header.X-Timestamp}.{header.X-Nonce}.{body}" # ←
  hmac_sha256: key                                     # ←
  signature: header.X-Signature                        # ←
  fresh: {at: header.X-Timestamp, within: 300s}        # ← how old a message may be
'''),
    "bearer": Dialect("requests carry an API key; webhooks are signed by HMAC-SHA256 of the raw body", "json", '''\
secrets:
  merchant_id: {env: @ENV@_MERCHANT_ID}                # our account at the provider
  key: {env: @ENV@_KEY}                                # the API key; it never stands in this file
  webhook: {env: @ENV@_WEBHOOK}                        # the webhook's own secret
headers: {Authorization: "Bearer {key}"}               # ← how requests are let in
'''),
}
_WEBHOOK = '''\
    verify:                                            # how webhooks are signed
      text: "{body}"                                   # ←
      hmac_sha256: webhook                             # ←
      signature: header.X-Webhook-Signature            # ←
'''
NOTICE_VERIFY = {"bearer": _WEBHOOK}
