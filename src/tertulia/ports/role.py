"""What a role is: a named coroutine whose signature names the ports it needs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Role:
    """`run` serves until it is cancelled; then it stops taking work, finishes or hands back.

    Each parameter's annotation is a port or a settings class; assembly passes the opened one.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    summary: str
    settings: type[Any] | None = None
