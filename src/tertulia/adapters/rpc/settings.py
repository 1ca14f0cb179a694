"""Where roles in other processes answer."""

from collections.abc import Sequence
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from tertulia.kit.settings import Settings


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _origins(urls: Sequence[str]) -> tuple[str, ...]:
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            msg = "should be http://HOST:PORT, or a list of them"
            raise ValueError(msg)
    return tuple(url.rstrip("/") for url in urls)


Origins = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_origins)]


class PeersSettings(Settings):
    """The processes of other roles. Each URL may name several processes: every address of its
    host is one."""

    section: ClassVar[str] = "peers"

    chat: Origins = ()
    """Where the role chat answers, for a gateway without it: `http://chat:8420`, or a list."""

    inference: Origins = ()
    """Where the role inference answers, for a chat or preprocess role without it that uses the
    embedded model."""

    connect_s: float = Field(default=2.0, gt=0)
    """How long one process may take to accept a connection before another one is asked."""

    answer_s: float = Field(default=30.0, gt=0)
    """How long an answer may take to begin."""

    model_answer_s: float = Field(default=900.0, gt=0)
    """The same, for answers that wait for a language model."""

    resolve_s: float = Field(default=5.0, ge=0)
    """How long the addresses of a host are remembered."""
