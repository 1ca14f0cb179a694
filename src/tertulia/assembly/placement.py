"""Which roles run in this process, and what that asks of it."""

import re
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.assembly.roles import ROLES
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce

CALLS: Final[Mapping[str, str]] = {
    "gateway": "chat",
    "chat": "inference",
    "preprocess": "inference",
}
"""Which role asks which, and waits for its answer."""
EMBEDDED: Final = "embedded"


class PeersMissingError(TertuliaError):
    """A role needs another one that runs elsewhere, and does not know where."""

    code = "peers_missing"
    kind = Kind.INVALID


class HostNumberMissingError(TertuliaError):
    """inference.worker_number is `hostname`, but this host's name does not end in a number."""

    code = "host_number_missing"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Placement:
    """The roles of this process."""

    roles: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Placement":
        return cls(frozenset(names))

    @property
    def edge(self) -> bool:
        """Whether people come in here."""
        return "gateway" in self.roles

    @property
    def apart(self) -> bool:
        """Whether other roles run in other processes."""
        return not self.roles.issuperset(ROLES)

    def model_is_elsewhere(self, process: ProcessSettings) -> bool:
        """Whether another process has the language model. An endpoint is asked by each process
        itself."""
        return "inference" not in self.roles and process.model == EMBEDDED

    def check(self, settings: SettingsInForce) -> None:
        """PeersMissingError names the setting that is missing."""
        for caller, called in CALLS.items():
            if caller not in self.roles or called in self.roles or urls(settings, called):
                continue
            if called == "inference" and not self.model_is_elsewhere(settings.of(ProcessSettings)):
                continue
            msg = (
                f"The role {caller} runs here and {called} does not: set peers.{called} to where "
                f"it answers, such as http://{called}:8420"
            )
            raise PeersMissingError(msg)

    @property
    def asks_model_as(self) -> str:
        """The role in whose name this process asks for the model."""
        return "chat" if "chat" in self.roles else "preprocess"


def urls(settings: SettingsInForce, role: str) -> Sequence[str]:
    """Where a role answers elsewhere; empty when no setting says."""
    given = settings.of(PeersSettings)
    return {"chat": given.chat, "inference": given.inference}[role]


def unique_name() -> str:
    """A name that no other process has."""
    host = "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname())[:40]
    return f"{host or 'worker'}-{secrets.token_hex(4)}"


def worker_number(given: int | Literal["hostname"], host: str) -> int:
    """The number itself, or the one that the host's name ends in. HostNumberMissingError."""
    if given != "hostname":
        return given
    found = re.search(r"-(\d+)$", host.partition(".")[0])
    if found is None:
        raise HostNumberMissingError(host=host)
    return int(found[1])
