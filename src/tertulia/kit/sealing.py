"""Sealing: authenticated encryption (AES-256-GCM, NIST SP 800-38D) bound to a place.

A sealed value is `format (1 byte) || nonce (12) || ciphertext || tag (16)`: 29 bytes more than
what it holds. It opens only with the same key and the same place, so a value that was altered, or
moved to another row or field, or put back after a newer one, is refused.

Nonces are random. SP 800-38D allows 2^32 of them under one key (the chance of two alike then stays
below 2^-32). Each conversation has a data key of its own, and sealing a piece of a reply every
250 ms for 34 years would not use that up; a master key seals one data key per conversation.
"""

import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tertulia.kit.errors import TamperedError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
FORMAT: Final = b"\x01"
OVERHEAD_BYTES: Final = len(FORMAT) + NONCE_BYTES + TAG_BYTES

_encode: Final = msgspec.json.Encoder().encode


def new_key() -> bytes:
    """32 fresh random bytes."""
    return os.urandom(KEY_BYTES)


def place(*parts: str | int | None) -> bytes:
    """Where a value belongs, as bytes (JSON): no two places read the same.

    What was sealed opens by these very bytes only, so their form must stay for ever.
    """
    return _encode(parts)


class Sealer:
    """Seals and opens values under one 32-byte key; safe to share between threads."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            msg = f"a key has {KEY_BYTES} bytes"
            raise ValueError(msg)
        self._aead = AESGCM(key)

    def seal(self, value: bytes, where: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return FORMAT + nonce + self._aead.encrypt(nonce, value, where)

    def open(self, sealed: bytes, where: bytes) -> bytes:
        """TamperedError unless `sealed` was made by this key for exactly this place."""
        if len(sealed) < OVERHEAD_BYTES or not sealed.startswith(FORMAT):
            raise TamperedError
        nonce_end = len(FORMAT) + NONCE_BYTES
        try:
            return self._aead.decrypt(sealed[len(FORMAT) : nonce_end], sealed[nonce_end:], where)
        except InvalidTag:
            raise TamperedError from None
