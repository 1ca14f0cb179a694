"""The key vault: wraps the data keys of conversations under a master key."""

from typing import Protocol

from tertulia.kit.errors import Kind, TertuliaError


class KeyMissingError(TertuliaError):
    """The master key that this value needs is not in the vault."""

    code = "key_missing"
    kind = Kind.UNAVAILABLE


class KeyVault(Protocol):
    """Master keys by version; the newest wraps. Called from the store's threads; may block."""

    @property
    def version(self) -> int:
        """The version that wraps now. Seen anew when another process has rotated."""
        ...

    def wrap(self, key: bytes, context: bytes) -> tuple[int, bytes]:
        """Encrypt a 32-byte data key, bound to `context`; returns the version and the result."""
        ...

    def unwrap(self, version: int, wrapped: bytes, context: bytes) -> bytes:
        """KeyMissingError for an unknown version, TamperedError when it does not fit."""
        ...

    def derive(self, label: bytes) -> bytes:
        """32 bytes for `label` that stay the same over rotations (keyed digests, indexes)."""
        ...

    def rotate(self) -> int:
        """Make a new version that wraps from now on; older ones still unwrap."""
        ...

    def retire(self, before: int) -> None:
        """Destroy versions older than `before`, once nothing is wrapped by them."""
        ...
