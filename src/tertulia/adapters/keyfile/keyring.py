"""A keyring: master keys by version and the root from which fixed keys are derived."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self, cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tertulia.kit.errors import TertuliaError
from tertulia.kit.sealing import KEY_BYTES, Sealer, new_key, place
from tertulia.ports.key_vault import KeyMissingError

FORMAT: Final = "tertulia-keys-1"


class KeyringError(TertuliaError):
    """The master key cannot be read."""

    code = "keyring_invalid"


@dataclass(frozen=True, kw_only=True, repr=False)
class Keyring:
    """Never changed; rotating and retiring give another one. `root` stays over rotations."""

    root: bytes
    keys: Mapping[int, bytes]

    @classmethod
    def fresh(cls) -> Self:
        return cls(root=new_key(), keys={1: new_key()})

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `to_text` gives, or one bare 32-byte key in base64 or hexadecimal digits."""
        text = text.strip()
        if text.startswith("{"):
            return cls._from_json(text)
        key = _bytes(text)
        root = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"tertulia root")
        return cls(root=root.derive(key), keys={1: key})

    @classmethod
    def _from_json(cls, text: str) -> Self:
        try:
            document = cast("dict[str, Any]", json.loads(text))
            if document["format"] != FORMAT:
                msg = "The keyring is of a format that this version does not know."
                raise KeyringError(msg)
            keys = {int(version): _bytes(key) for version, key in document["keys"].items()}
            root = _bytes(document["root"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeyringError from None
        if not keys or min(keys) < 1:
            raise KeyringError
        return cls(root=root, keys=keys)

    def to_text(self) -> str:
        keys = {str(version): _text(key) for version, key in sorted(self.keys.items())}
        document = {"format": FORMAT, "root": _text(self.root), "keys": keys}
        return json.dumps(document, indent=1) + "\n"

    @cached_property
    def version(self) -> int:
        return max(self.keys)

    @cached_property
    def _sealers(self) -> Mapping[int, Sealer]:
        return {version: Sealer(key) for version, key in self.keys.items()}

    def wrap(self, key: bytes, context: bytes) -> tuple[int, bytes]:
        where = place("data key", self.version) + context
        return self.version, self._sealers[self.version].seal(key, where)

    def unwrap(self, version: int, wrapped: bytes, context: bytes) -> bytes:
        sealer = self._sealers.get(version)
        if sealer is None:
            raise KeyMissingError(version=version)
        return sealer.open(wrapped, place("data key", version) + context)

    def derive(self, label: bytes) -> bytes:
        info = b"tertulia derive " + label
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.root)

    def rotated(self) -> Self:
        return type(self)(root=self.root, keys={**self.keys, self.version + 1: new_key()})

    def joined(self, other: Self) -> Self:
        """With the versions that `other` has too; KeyringError unless it is of the same origin."""
        if other.root != self.root:
            msg = "The two master keys have nothing to do with each other."
            raise KeyringError(msg)
        return type(self)(root=self.root, keys={**other.keys, **self.keys})

    def retired(self, before: int) -> Self:
        """Without the versions older than `before`; the newest always stays."""
        keep = min(before, self.version)
        keys = {version: key for version, key in self.keys.items() if version >= keep}
        return type(self)(root=self.root, keys=keys)


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _bytes(text: str) -> bytes:
    """KeyringError unless `text` is 32 bytes, in base64 (any alphabet) or hexadecimal."""
    try:
        if len(text) == 2 * KEY_BYTES:
            key = bytes.fromhex(text)
        else:
            padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
            key = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (ValueError, binascii.Error):
        raise KeyringError from None
    if len(key) != KEY_BYTES:
        msg = f"A master key has {KEY_BYTES} bytes."
        raise KeyringError(msg)
    return key
