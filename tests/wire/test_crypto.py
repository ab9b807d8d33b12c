"""Digests and ciphers against published vectors: RFC 4231 and RFC 2202 (HMAC), RFC 6979 (ECDSA), NIST SP 800-38A (AES), the GCM paper."""
from __future__ import annotations

import pytest
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import ECC, RSA
from Cryptodome.Signature import DSS, pss
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.wire import crypto, testkeys
from engine.wire.model import Unreadable

from .making import OURS, THEIRS


def private(pair):
    return serialization.load_pem_private_key(pair["private_key"].encode(), None)


def public(pair):
    return serialization.load_pem_public_key(pair["public_key"].encode())


@pytest.mark.parametrize("name, key, data, expected", [
    ("hmac_sha256", b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    ("hmac_sha256", b"Jefe", b"what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    ("hmac_sha512", b"Jefe", b"what do ya want for nothing?",
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
     "caeab1a34d4a6b4b636e070a38bce737"),
    ("hmac_sha1", b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    ("hmac_md5", b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
    ("hash", "md5", b"abc", "900150983cd24fb0d6963f7d28e17f72"),
    # GB/T 32905-2016, A.1; the check value of CRC-32/ISO-HDLC
    ("hash", "sm3", b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    ("hash", "crc32", b"123456789", "cbf43926"),
    ("hash", "sha1", b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
])
def test_digests(name, key, data, expected):
    assert crypto.sign(name, key, data).hex() == expected


@pytest.mark.parametrize("name", ["rsa_sha256", "rsa_sha1", "rsa_sha512"])
def test_rsa(name):
    signature = crypto.sign(name, private(OURS), b"text")
    assert crypto.matches(name, public(OURS), b"text", signature)
    assert not crypto.matches(name, public(OURS), b"texT", signature)
    assert not crypto.matches(name, public(THEIRS), b"text", signature)
    assert not crypto.matches(name, public(OURS), b"text", signature[:-1])
    other = {"rsa_sha256": "rsa_sha1", "rsa_sha1": "rsa_sha512", "rsa_sha512": "rsa_sha256"}[name]
    assert not crypto.matches(other, public(OURS), b"text", signature)


# RFC 6979, A.2.5: P-256 with SHA-256.
CURVE_KEY = ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1())
VECTORS = {b"sample": ("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
                       "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"),
           b"test": ("F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"
                     "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083")}


@pytest.mark.parametrize("text", VECTORS)
def test_ecdsa_against_its_published_vectors(text):
    assert crypto.sign("ecdsa_raw_sha256", CURVE_KEY, text).hex().upper() == VECTORS[text]
    assert crypto.matches("ecdsa_raw_sha256", CURVE_KEY.public_key(), text, bytes.fromhex(VECTORS[text]))


@pytest.mark.parametrize("name, pair", [("rsa_pss_sha256", ""), ("ecdsa_sha256", "_ec"), ("ecdsa_raw_sha256", "_ec")])
def test_pss_and_ecdsa(name, pair):
    ours, theirs = (testkeys.PAIRS[f"{who}{pair}"] for who in ("ours", "theirs"))
    signature = crypto.sign(name, private(ours), b"text")
    assert crypto.matches(name, public(ours), b"text", signature)
    for key, text, given in ((ours, b"texT", signature), (theirs, b"text", signature), (ours, b"text", signature[:-1]),
                             (ours, b"text", b""), (ours, b"text", bytes(len(signature))), (ours, b"text", signature + b"0")):
        assert not crypto.matches(name, public(key), text, given)
    others = {"rsa_pss_sha256": ["rsa_sha256"], "ecdsa_sha256": ["ecdsa_raw_sha256"], "ecdsa_raw_sha256": ["ecdsa_sha256"]}[name]
    assert not any(crypto.matches(other, public(ours), b"text", signature) for other in others)
    assert (crypto.sign(name, private(ours), b"text") == signature) is bool(pair)         # a salt makes each PSS another


def _their_pss(pem: str, data: bytes, signature: bytes | None) -> bytes | None:
    made = pss.new(RSA.import_key(pem))
    return made.sign(SHA256.new(data)) if signature is None else made.verify(SHA256.new(data), signature)


def _their_dss(pem: str, data: bytes, signature: bytes | None, encoding: str) -> bytes | None:
    made = DSS.new(ECC.import_key(pem), "fips-186-3", encoding=encoding)
    return made.sign(SHA256.new(data)) if signature is None else made.verify(SHA256.new(data), signature)


@pytest.mark.parametrize("name, pair, theirs", [
    ("rsa_pss_sha256", "ours", _their_pss),
    ("ecdsa_sha256", "ours_ec", lambda *given: _their_dss(*given, "der")),
    ("ecdsa_raw_sha256", "ours_ec", lambda *given: _their_dss(*given, "binary"))])
def test_another_library_believes_what_we_sign_and_signs_what_we_believe(name, pair, theirs):
    """PyCryptodome, which shares no code with ours."""
    keys = testkeys.PAIRS[pair]
    assert crypto.matches(name, public(keys), b"text", theirs(keys["private_key"], b"text", None))
    theirs(keys["public_key"], b"text", crypto.sign(name, private(keys), b"text"))       # raises ValueError if it does not hold
    with pytest.raises(ValueError):
        theirs(keys["public_key"], b"texT", crypto.sign(name, private(keys), b"text"))


GCM = dict(key=bytes.fromhex("feffe9928665731c6d6a8f9467308308"), iv=bytes.fromhex("cafebabefacedbaddecaf888"),
           aad=bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
GCM_PLAIN = bytes.fromhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
                          "b16aedf5aa0de657ba637b39")
GCM_SEALED = bytes.fromhex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
                           "1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47")
AES_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
BLOCK = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")


def test_sm4_as_published():
    """GB/T 32907-2016, A.1: one block, which CBC with an initial vector of nothing leaves as it is."""
    block = bytes.fromhex("0123456789abcdeffedcba9876543210")
    assert crypto.seal("sm4_cbc", block, block, bytes(16))[:16].hex() == "681edf34d206965e86b3e94f536e4246"


def test_published_ciphers():
    assert crypto.open_sealed("aes_gcm", GCM["key"], GCM_SEALED, GCM["iv"], GCM["aad"]) == GCM_PLAIN
    assert crypto.seal("aes_ecb", AES_KEY, BLOCK)[:16].hex() == "3ad77bb40d7a3660a89ecaf32466ef97"
    iv = bytes(range(16))
    assert crypto.seal("aes_cbc", AES_KEY, BLOCK, iv)[:16].hex() == "7649abac8119b246cee98e9b12e9197d"


@pytest.mark.parametrize("name, iv, aad", [("aes_gcm", b"n" * 12, b"a"), ("aes_ecb", b"", b""), ("aes_cbc", b"i" * 16, b""),
                                           ("rsa_oaep_sha1", b"", b""), ("rsa_oaep_sha256", b"", b""),
                                           ("rsa_pkcs1", b"", b"")])
def test_what_is_sealed_can_be_opened_and_nothing_else(name, iv, aad):
    rsa = crypto.CIPHERS[name].needs == "private_key"
    seal_key, open_key, wrong = (public(OURS), private(OURS), private(THEIRS)) if rsa else (b"k" * 32, b"k" * 32, b"x" * 32)
    sealed = crypto.seal(name, seal_key, "密文".encode(), iv, aad)
    assert crypto.open_sealed(name, open_key, sealed, iv, aad).decode() == "密文"
    if name != "rsa_pkcs1":                # by design it answers a wrong key with random bytes, not with an error
        with pytest.raises(Unreadable):
            crypto.open_sealed(name, wrong, sealed, iv, aad)
    with pytest.raises(Unreadable):
        crypto.open_sealed(name, open_key, sealed[:-1], iv, aad)
    assert crypto.CIPHERS[name].takes == {"aes_gcm": {"nonce", "aad"}, "aes_cbc": {"iv"}}.get(name, set())


def test_a_sealed_part_is_sealed_to_its_surroundings():
    with pytest.raises(Unreadable):
        crypto.open_sealed("aes_gcm", GCM["key"], GCM_SEALED, GCM["iv"], b"other")
    with pytest.raises(Unreadable):
        crypto.open_sealed("aes_gcm", b"short", GCM_SEALED, GCM["iv"], GCM["aad"])
