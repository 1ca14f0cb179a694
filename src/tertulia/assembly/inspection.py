"""What `doctor` looks at, of what only adapters know. Nothing here changes anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tertulia.adapters.broker_bus.settings import BusSettings
from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.adapters.embedded.settings import ModelsSettings
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.adapters.keyfile.settings import MasterKeySettings
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.adapters.nats.settings import NatsSettings
from tertulia.adapters.openai.settings import UpstreamSettings
from tertulia.adapters.rabbitmq.settings import RabbitmqSettings
from tertulia.adapters.redis.settings import RedisSettings
from tertulia.adapters.rpc.settings import PeersSettings
from tertulia.adapters.s3.settings import S3Settings
from tertulia.adapters.sealed_blobs.settings import BlobsSettings
from tertulia.adapters.sql.settings import StoreSettings
from tertulia.assembly.blobs import blob_place
from tertulia.assembly.buses import chosen_broker
from tertulia.assembly.histories import chosen_history
from tertulia.assembly.places import database_path, home_path, key_path
from tertulia.kit.clock import SystemClock
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce
from tertulia.ports.chat_model import ModelInfo
from tertulia.ports.key_vault import KeyVault
from tertulia.roles.gateway.settings import GatewaySettings

if TYPE_CHECKING:
    from tertulia.adapters.sql.inspection import Inspection


def vault(settings: SettingsInForce) -> KeyVault | None:
    """The keys that are there; None when none were made yet. Raises what is wrong with them."""
    from tertulia.adapters.keyfile.vault import EnvironmentVault, FileVault

    path = key_path(settings)
    if path is None:
        return EnvironmentVault(settings.of(MasterKeySettings).key.get_secret_value())
    return FileVault(path) if path.exists() or _written(settings) else None


def database(settings: SettingsInForce, keys: KeyVault) -> "Inspection | None":
    """None when there is no database yet."""
    if not _written(settings):
        return None
    if settings.of(StoreSettings).shared:
        from tertulia.adapters.sql.postgres_care import inspect as inspect_server
        from tertulia.adapters.sql.store import place

        return inspect_server(place(settings.of(StoreSettings)), keys)
    from tertulia.adapters.sql.inspection import inspect

    return inspect(database_path(settings), keys)


def _written(settings: SettingsInForce) -> bool:
    from tertulia.adapters.sql.store import written

    return written(settings.of(ProcessSettings), settings.of(StoreSettings))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsFound:
    """The embedded model in use, files that are not what the catalogue says, and whether the
    runtime is installed."""

    in_use: str | None
    damaged: Sequence[Path]
    runtime: bool
    smallest: str


def models(settings: SettingsInForce) -> ModelsFound:
    """Read every model file of the catalogue whole."""
    from tertulia.adapters.embedded.entries import built_in
    from tertulia.adapters.embedded.shelf import Shelf, sha256_of

    given, entries = settings.of(ModelsSettings), built_in()
    shelf = Shelf(given.directory or home_path(settings) / "models", given.own, entries)
    shelf.scan()
    files = [(shelf.entries[m.name], m.path) for m in shelf.present() if m.name in shelf.entries]
    in_use = shelf.in_use()
    return ModelsFound(
        in_use=in_use.name if in_use else None,
        damaged=[
            path for entry, path in (*files, *shelf.unverified) if sha256_of(path) != entry.sha256
        ],
        runtime=find_spec("xllamacpp") is not None,
        smallest=entries[0].name,
    )


async def endpoint(settings: SettingsInForce) -> Sequence[ModelInfo]:
    """The models of the endpoint that `--model URL` names; ModelError when it does not answer."""
    from tertulia.adapters.openai.model import open_openai

    url = settings.of(ProcessSettings).model
    async with open_openai(url, settings.of(UpstreamSettings)) as source:
        return await source.models()


async def redis(settings: SettingsInForce) -> str | None:
    """Its version; None when none is configured. RedisTroubleError when it does not answer."""
    from tertulia.adapters.redis.link import open_link, version

    given = settings.of(RedisSettings)
    if not given.url:
        return None
    async with open_link(given) as link:
        return await version(link)


async def broker(settings: SettingsInForce) -> str | None:
    """The broker that `bus.url` names, without its password; None when the outbox is the bus.
    BusUnavailableError when it does not answer."""
    given = settings.of(BusSettings)
    leases = MemoryLeases(SystemClock())
    async with chosen_broker(
        leases,
        given,
        settings.of(RabbitmqSettings),
        settings.of(NatsSettings),
        settings.of(KafkaSettings),
    ) as chosen:
        if chosen.broker is None:
            return None
        await chosen.broker.check()
        return given.shown


async def blobs(settings: SettingsInForce) -> str:
    """Where blobs are; BlobsUnavailableError when they cannot be listed there."""
    url = settings.of(BlobsSettings).place(home_path(settings))
    async with blob_place(url, settings.of(S3Settings)) as place:
        await place.list(limit=1)
    return url


async def history(settings: SettingsInForce) -> str | None:
    """The history log that `messages.url` names, without its password; None when the store has
    all texts. HistoryUnavailableError when it does not answer."""
    given = settings.of(MessagesSettings)
    async with chosen_history(given, SystemClock()) as chosen:
        if chosen.log is None:
            return None
        await chosen.log.check()
        return given.shown


def try_address(settings: SettingsInForce) -> None:
    """AddressInUseError and others when it cannot be listened on."""
    from tertulia.adapters.http.server import bind

    process = settings.of(ProcessSettings)
    beyond = bool(settings.of(GatewaySettings).public_url) and not process.open
    bind(process.host, process.port, beyond=beyond).close()


def peers(settings: SettingsInForce) -> Sequence[str]:
    """Where roles in other processes answer."""
    given = settings.of(PeersSettings)
    return (*given.chat, *given.inference)


def model_is_elsewhere(settings: SettingsInForce) -> bool:
    """Whether the embedded model is another process's."""
    return bool(settings.of(PeersSettings).inference)


def page() -> Path:
    """Where the built page begins; the file may be missing."""
    from tertulia.adapters.http.page import DIRECTORY

    return DIRECTORY / "index.html"
