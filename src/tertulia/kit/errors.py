"""The root of every error that Tertulia raises on purpose."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What went wrong, in terms that every edge (HTTP, CLI, WebSocket) can translate."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    MISMATCH = "mismatch"
    TOO_LARGE = "too_large"
    LIMITED = "limited"
    UNAVAILABLE = "unavailable"
    STORAGE_FULL = "storage_full"
    UPSTREAM = "upstream"


class TertuliaError(Exception):
    """Something went wrong.

    `code` is stable and machine-readable, `data` says what it was about. The class docstring's
    first line is the default message. Neither may hold what a user wrote.
    """

    code: ClassVar[str] = "error"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE

    def __init__(self, message: str | None = None, **data: str | float | None) -> None:
        doc = (type(self).__doc__ or "").strip().splitlines()
        self.message = message or (doc[0] if doc else self.code)
        self.data: Mapping[str, str | float | None] = data
        super().__init__(self.message)


class TamperedError(TertuliaError):
    """A stored value does not fit its place or its key: it was altered or moved."""

    code = "tampered"
    kind = Kind.UNAVAILABLE
