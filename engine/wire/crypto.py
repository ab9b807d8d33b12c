"""Digests, signatures and ciphers by the names the channel language uses, over `cryptography`'s primitives.

Signatures: RSA PKCS#1 v1.5 (RFC 8017 §8.2), HMAC (RFC 2104), plain hashes. Ciphers: AES-GCM (NIST SP 800-38D), AES-ECB
and AES-CBC with PKCS#7 padding, SM4-CBC (GB/T 32907) likewise, RSA-OAEP and RSA PKCS#1 v1.5. MD5, SHA-1 and ECB are here
because senders use them; CRC-32 (as eight hex digits) too, though it proves nothing by itself. SM3 is GB/T 32905. SM2 is not
here: `cryptography` does not have it, and none of the wheels that do is kept by more than one person.
"""
from __future__ import annotations

import hashlib
import hmac
import zlib
from typing import Any, Callable, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .model import Unreadable


class Digest(NamedTuple):
    """`needs`: private_key (public to verify) · bytes (a shared secret) · none. `encode`: how it is usually written."""
    needs: str
    encode: str
    algorithm: Any


DIGESTS = {
    "rsa_sha256": Digest("private_key", "base64", hashes.SHA256()),
    "rsa_sha1": Digest("private_key", "base64", hashes.SHA1()),
    "rsa_sha512": Digest("private_key", "base64", hashes.SHA512()),
    "hmac_sha1": Digest("bytes", "hex", "sha1"),
    "hmac_sha256": Digest("bytes", "hex", "sha256"),
    "hmac_sha512": Digest("bytes", "hex", "sha512"),
    "hmac_md5": Digest("bytes", "hex", "md5"),
    "hash": Digest("none", "hex", ""),       # the file says which: `hash: md5`
}
HASHES = ("md5", "sha1", "sha256", "sha512", "sm3", "crc32")


def sign(name: str, key: Any, data: bytes) -> bytes:
    digest = DIGESTS[name]
    if digest.needs == "private_key":
        return key.sign(data, padding.PKCS1v15(), digest.algorithm)
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


def rsa_matches(name: str, public_key: rsa.RSAPublicKey, data: bytes, signature: bytes) -> bool:
    try:
        public_key.verify(signature, data, padding.PKCS1v15(), DIGESTS[name].algorithm)
    except InvalidSignature:
        return False
    return True


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
