"""Who may do what: the one policy function."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, assert_never

from tertulia.domain.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever makes a request.

    `via`: a browser session, an API token, or an open interface on loopback (`--open`), which
    reaches the simple and OpenAI interfaces only.
    """

    user_id: UserId
    via: Literal["session", "token", "open"]
    credential_id: str


class Rule(StrEnum):
    """What a route or a socket event asks of its caller. Every route declares one."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    OWNER = "owner"
    OPEN_OR_SIGNED_IN = "open_or_signed_in"
    INTERNAL = "internal"
    """Another process of this installation, by its pass; never a person."""


def allows(rule: Rule, principal: Principal | None, owner_id: UserId | None = None) -> bool:
    """Whether `principal` passes `rule` on a thing that belongs to `owner_id`."""
    match rule:
        case Rule.PUBLIC:
            return True
        case Rule.INTERNAL:
            return False
        case Rule.SIGNED_IN:
            return principal is not None and principal.via != "open"
        case Rule.OPEN_OR_SIGNED_IN:
            return principal is not None
        case Rule.OWNER:
            return (
                principal is not None
                and principal.via != "open"
                and owner_id is not None
                and principal.user_id == owner_id
            )
        case _:
            assert_never(rule)
