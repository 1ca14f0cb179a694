"""A keyring in an envelope that a passphrase opens, to go along with a backup."""

import os
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from tertulia.adapters.keyfile.keyring import Keyring
from tertulia.kit.errors import Kind, TamperedError, TertuliaError
from tertulia.kit.sealing import KEY_BYTES, Sealer, place

SALT_BYTES: Final = 16
COST: Final = 2**17  # with r=8 and p=1: 128 MiB and 0.4 s for each guess (OWASP's first choice)
_WHERE: Final = place("keyring", "scrypt", COST, 8, 1)


class PassphraseError(TertuliaError):
    """The passphrase is not the one that the backup was made with."""

    code = "passphrase_wrong"
    kind = Kind.INVALID


def enclose(keyring: Keyring, passphrase: str) -> bytes:
    salt = os.urandom(SALT_BYTES)
    return salt + _sealer(passphrase, salt).seal(keyring.to_text().encode(), _WHERE)


def disclose(envelope: bytes, passphrase: str) -> Keyring:
    """PassphraseError when it does not open (or the envelope was altered)."""
    salt, sealed = envelope[:SALT_BYTES], envelope[SALT_BYTES:]
    try:
        return Keyring.from_text(_sealer(passphrase, salt).open(sealed, _WHERE).decode())
    except TamperedError:
        raise PassphraseError from None


def _sealer(passphrase: str, salt: bytes) -> Sealer:
    return Sealer(Scrypt(salt=salt, length=KEY_BYTES, n=COST, r=8, p=1).derive(passphrase.encode()))
