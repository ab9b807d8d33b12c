"""Digests, signatures and ciphers by the names the channel language uses, over `cryptography`'s primitives.

Signatures: RSA PKCS#1 v1.5 (RFC 8017 §8.2) and PSS with a salt as long as its hash (§8.1), ECDSA (FIPS 186-5) made by RFC
6979 so that the same text has the same signature, HMAC (RFC 2104), plain hashes. Ciphers: AES-GCM (NIST SP 800-38D), AES-ECB
and AES-CBC with PKCS#7 padding, SM4-CBC (GB/T 32907) likewise, RSA-OAEP and RSA PKCS#1 v1.5. MD5, SHA-1 and ECB are here
because senders use them; CRC-32 (as eight hex digits) too, though it proves nothing by itself. SM3 is GB/T 32905. SM2 is not
here: `cryptography` does not have it, and what does is old, slow to be mended, or one person's.
"""
from __future__ import annotations

import hashlib
import hmac
import zlib
from typing import Any, Callable, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, padding as block_padding
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .model import Unreadable


class Digest(NamedTuple):
    """`needs`: private_key (public to verify) · bytes (a shared secret) · none. `encode`: how it is usually written. `pair`: of
    which kind the key pair is, `scheme` how it signs."""
    needs: str
    encode: str
    algorithm: Any
    pair: str = ""                              # rsa | ec
    scheme: str = ""                            # pkcs1 | pss | der | raw


DIGESTS = {
    "rsa_sha256": Digest("private_key", "base64", hashes.SHA256(), "rsa", "pkcs1"),
    "rsa_sha1": Digest("private_key", "base64", hashes.SHA1(), "rsa", "pkcs1"),
    "rsa_sha512": Digest("private_key", "base64", hashes.SHA512(), "rsa", "pkcs1"),
    "rsa_pss_sha256": Digest("private_key", "base64", hashes.SHA256(), "rsa", "pss"),
    "ecdsa_sha256": Digest("private_key", "base64", hashes.SHA256(), "ec", "der"),
    "ecdsa_raw_sha256": Digest("private_key", "base64", hashes.SHA256(), "ec", "raw"),
    "hmac_sha1": Digest("bytes", "hex", "sha1"),
    "hmac_sha256": Digest("bytes", "hex", "sha256"),
    "hmac_sha512": Digest("bytes", "hex", "sha512"),
    "hmac_md5": Digest("bytes", "hex", "md5"),
    "hash": Digest("none", "hex", ""),       # the file says which: `hash: md5`
}
HASHES = ("md5", "sha1", "sha256", "sha512", "sm3", "crc32")


def sign(name: str, key: Any, data: bytes) -> bytes:
    digest = DIGESTS[name]
    if digest.pair == "rsa":
        return key.sign(data, _padding(digest), digest.algorithm)
    if digest.pair == "ec":
        made = key.sign(data, ec.ECDSA(digest.algorithm, deterministic_signing=True))
        return made if digest.scheme == "der" else _raw(made, key.curve)
    if digest.needs == "bytes":
        return hmac.digest(key, data, digest.algorithm)
    return digest_of(key, data)


def digest_of(name: str, data: bytes) -> bytes:
    """By a name of `HASHES`."""
    if name == "crc32":
        return zlib.crc32(data).to_bytes(4)
    if name == "sm3":
        sm3 = hashes.Hash(hashes.SM3())
        sm3.update(data)
        return sm3.finalize()
    return hashlib.new(name, data).digest()


def matches(name: str, public_key: Any, data: bytes, signature: bytes) -> bool:
    """Whether a signature by a key pair is right; the key is of the kind that the digest's `pair` says."""
    digest = DIGESTS[name]
    try:
        if digest.pair == "rsa":
            public_key.verify(signature, data, _padding(digest), digest.algorithm)
        else:
            der = signature if digest.scheme == "der" else _der(signature, public_key.curve)
            public_key.verify(der, data, ec.ECDSA(digest.algorithm))
    except InvalidSignature:
        return False
    return True


def _padding(digest: Digest) -> padding.AsymmetricPadding:
    if digest.scheme == "pkcs1":
        return padding.PKCS1v15()
    return padding.PSS(mgf=padding.MGF1(digest.algorithm), salt_length=padding.PSS.DIGEST_LENGTH)


def _raw(der: bytes, curve: ec.EllipticCurve) -> bytes:
    """r and s side by side, each as long as the curve's field (IEEE P1363; RFC 7518 §3.4)."""
    size = (curve.key_size + 7) // 8
    return b"".join(number.to_bytes(size) for number in decode_dss_signature(der))


def _der(raw: bytes, curve: ec.EllipticCurve) -> bytes:
    size = (curve.key_size + 7) // 8
    if len(raw) != 2 * size:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(raw[:size]), int.from_bytes(raw[size:]))


def _gcm_open(key: bytes, data: bytes, nonce: bytes, aad: bytes) -> bytes:
    return AESGCM(key).decrypt(nonce, data, aad)


def _gcm_seal(key: bytes, data: bytes, nonce: bytes, aad: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce, data, aad)


def _blocks(mode: Callable[[bytes], Any], seal: bool, algorithm: Callable[[bytes], Any] = algorithms.AES
            ) -> Callable[[bytes, bytes, bytes, bytes], bytes]:
    def run(key: bytes, data: bytes, iv: bytes, _: bytes) -> bytes:
        cipher = Cipher(algorithm(key), mode(iv))
        if seal:
            pad = block_padding.PKCS7(128).padder()
            worker, data = cipher.encryptor(), pad.update(data) + pad.finalize()
            return worker.update(data) + worker.finalize()
        worker, strip = cipher.decryptor(), block_padding.PKCS7(128).unpadder()
        plain = worker.update(data) + worker.finalize()
        return strip.update(plain) + strip.finalize()
    return run


def _oaep(algorithm: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    return padding.OAEP(mgf=padding.MGF1(algorithm), algorithm=algorithm, label=None)


class CipherKind(NamedTuple):
    """open(key, data, iv or nonce, associated data) → plain bytes; seal the other way."""
    needs: str                                  # bytes | private_key (to open; public to seal)
    takes: frozenset[str]                       # of "nonce", "iv", "aad"
    open: Callable[..., bytes]
    seal: Callable[..., bytes]


def _rsa_cipher(pad: padding.AsymmetricPadding) -> CipherKind:
    return CipherKind("private_key", frozenset(), lambda key, data, iv, aad: key.decrypt(data, pad),
                      lambda key, data, iv, aad: key.encrypt(data, pad))


CIPHERS = {
    "aes_gcm": CipherKind("bytes", frozenset({"nonce", "aad"}), _gcm_open, _gcm_seal),
    "aes_ecb": CipherKind("bytes", frozenset(), _blocks(lambda iv: modes.ECB(), False),
                          _blocks(lambda iv: modes.ECB(), True)),
    "aes_cbc": CipherKind("bytes", frozenset({"iv"}), _blocks(modes.CBC, False), _blocks(modes.CBC, True)),
    "sm4_cbc": CipherKind("bytes", frozenset({"iv"}), _blocks(modes.CBC, False, algorithms.SM4),
                          _blocks(modes.CBC, True, algorithms.SM4)),
    "rsa_oaep_sha1": _rsa_cipher(_oaep(hashes.SHA1())),
    "rsa_oaep_sha256": _rsa_cipher(_oaep(hashes.SHA256())),
    "rsa_pkcs1": _rsa_cipher(padding.PKCS1v15()),
}
SHARED = tuple(name for name, cipher in CIPHERS.items() if cipher.needs == "bytes")     # anyone can seal with a public key


def open_sealed(name: str, key: Any, data: bytes, iv: bytes = b"", aad: bytes = b"") -> bytes:
    """Decrypts; Unreadable, without a word on why, when it can't (the reason would help a forger)."""
    try:
        return CIPHERS[name].open(key, data, iv, aad)
    except (InvalidTag, ValueError):
        raise Unreadable("the sealed part can't be opened with this key") from None


def seal(name: str, key: Any, data: bytes, iv: bytes = b"", aad: bytes = b"") -> bytes:
    return CIPHERS[name].seal(key, data, iv, aad)
