"""Where older texts lie, and when they go there."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from tertulia.kit.settings import Settings
from tertulia.kit.tls_files import authorities

PORT: Final = 9042
_ADDRESS: Final = re.compile(
    r"cassandra://([^@/\s]+@)?[^@/,:\s]+(:\d{1,5})?(,[^@/,:\s]+(:\d{1,5})?)*/[a-z][a-z0-9_]{0,47}"
)


def _known(url: SecretStr) -> SecretStr:
    address = url.get_secret_value()
    if address and not _ADDRESS.fullmatch(address):
        msg = "should be empty, or cassandra://[USER:PASSWORD@]HOST[:PORT],…/KEYSPACE"
        raise ValueError(msg)
    return url


class MessagesSettings(Settings):
    """The history log: where the texts of older messages lie, sealed as in the store. Without one
    the store holds all texts itself."""

    section: ClassVar[str] = "messages"

    url: Annotated[SecretStr, AfterValidator(_known)] = SecretStr("")
    """Empty: the store. Else `cassandra://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]/KEYSPACE`, with
    some of the nodes. The keyspace and its table are made when they are not there."""

    move_after_s: float = Field(default=86400.0, ge=0)
    """How long a message stays in the store after its last change. What is younger is read without
    the log, so conversations of that time go on whatever becomes of it."""

    erase_after_s: float = Field(default=60.0, ge=0)
    """How long after a conversation its texts are erased in the log: longer than a text can be on
    its way there. Its key is destroyed at once, so nobody can read them meanwhile."""

    copies: int = Field(default=3, ge=1, le=10)
    """On how many nodes of each data centre a text lies, in a keyspace that is made."""

    datacenter: str = Field(default="", max_length=100)
    """The data centre whose nodes are asked; empty: that of the first node that answers."""

    consistency: Literal["LOCAL_QUORUM", "QUORUM", "ALL"] = "LOCAL_QUORUM"
    """How many copies answer each reading and writing. Any of these finds what was written."""

    timeout_s: float = Field(default=4.0, gt=0, le=20)
    """How long to wait for an answer."""

    tls: bool = False
    """Whether to speak TLS, and check that nodes are who they say."""

    tls_ca: Annotated[Path | None, AfterValidator(authorities)] = None
    """A file of the authorities that may vouch for nodes; without one, those of the system."""

    @property
    def nodes(self) -> list[tuple[str, int]]:
        """Hosts and ports of `url`."""
        hosts = urlsplit(self.url.get_secret_value()).netloc.rpartition("@")[2].split(",")
        parts = [host.partition(":") for host in hosts if host]
        return [(host, int(port or PORT)) for host, _, port in parts]

    @property
    def keyspace(self) -> str:
        """That of `url`."""
        return urlsplit(self.url.get_secret_value()).path.removeprefix("/")

    @property
    def user(self) -> tuple[str, str] | None:
        """User and password of `url`, if it has any."""
        given, at, _ = urlsplit(self.url.get_secret_value()).netloc.rpartition("@")
        user, _, password = given.partition(":")
        return (unquote(user), unquote(password)) if at else None

    @property
    def shown(self) -> str:
        """The URL without what signs in."""
        parts = urlsplit(self.url.get_secret_value())
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
