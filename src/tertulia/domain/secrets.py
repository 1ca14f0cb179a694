"""Secrets that sign in: links, sessions and API tokens. Stored by their SHA-256 only."""

import hashlib
import secrets
import string
from datetime import timedelta
from typing import Final

TOKEN_PREFIX: Final = "tt_"  # noqa: S105  a prefix, not a secret
ALPHABET: Final = string.digits + string.ascii_letters
TOKEN_LENGTH: Final = 43  # 62 ** 43 > 2 ** 256
LINK_LIFETIME: Final = timedelta(hours=1)


def new_secret() -> str:
    """A fresh one for a link or a session: 256 random bits, safe in addresses and headers."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """A fresh API token of 256 random bits; its prefix lets secret scanners know it, and a double
    click selects all of it."""
    return TOKEN_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


def secret_digest(secret: str) -> bytes:
    """What is stored of it. A plain hash does: a random secret of 256 bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).digest()
