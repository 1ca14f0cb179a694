"""Backup, restore and rotation of the master key: what needs adapters to know each other."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import structlog

from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.adapters.keyfile.settings import MasterKeySettings
from tertulia.adapters.sql.settings import StoreSettings
from tertulia.assembly.histories import chosen_history
from tertulia.assembly.home import lock_home, open_home
from tertulia.assembly.places import database_name, database_path, home_path, key_path
from tertulia.assembly.process import call, wired
from tertulia.kit.clock import Clock, SystemClock
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.store_admin import StoreAdmin

if TYPE_CHECKING:
    from tertulia.adapters.keyfile.vault import EnvironmentVault, FileVault
    from tertulia.adapters.sql.rotation import Rotation
    from tertulia.adapters.sql.transfer import Side

log = structlog.stdlib.get_logger(__name__)

ADDRESS: Final = re.compile(r"sqlite:///.+|postgres(ql)?://\S+")


class NothingToKeepError(TertuliaError):
    """There is nothing to back up."""

    code = "nothing_to_back_up"
    kind = Kind.NOT_FOUND


class KeyAbsentError(TertuliaError):
    """Without its key a backup cannot be read."""

    code = "key_absent"
    kind = Kind.CONFLICT


class AddressError(TertuliaError):
    """An address is sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE."""

    code = "address_invalid"
    kind = Kind.INVALID


async def back_up(settings: SettingsInForce, target: Path, *, passphrase: str | None) -> None:
    """Write a backup to a new file, also beside a running server. With a passphrase the master
    key goes along, sealed by it. What the history log has lost is missing, which is logged."""
    from tertulia.adapters.keyfile.envelope import enclose
    from tertulia.adapters.sql.backup import back_up as write
    from tertulia.adapters.sql.store import written

    if not written(settings.of(ProcessSettings), settings.of(StoreSettings)):
        msg = f"There is no database {database_name(settings)} to back up."
        raise NothingToKeepError(msg)
    async with wired(settings) as wiring:
        vault = cast("FileVault | EnvironmentVault", await wiring.port(KeyVault))
        envelope = enclose(vault.keyring, passphrase) if passphrase else None
        now = (await wiring.port(Clock)).now()
        store = await wiring.port(StoreAdmin)
        about = await write(store, target, made_at=now, envelope=envelope)
    if about.lost:
        log.error("the backup lacks what the history log has lost", texts=about.lost)


async def restore(
    settings: SettingsInForce, file: Path, *, replace: bool, passphrase: str | None
) -> Path | None:
    """Put a backup in the place of the database; the path that a replaced one has now. With a
    passphrase the key in the backup is used, and put beside the database. Into a shared database
    only when that is empty."""
    from tertulia.adapters.sql.restore import restore as put
    from tertulia.adapters.sql.restore import restore_elsewhere

    store = settings.of(StoreSettings)
    if store.shared:
        home = open_home(home_path(settings))
        with _keys(settings, file, passphrase) as vault:
            restore_elsewhere(file, store.url, vault, home.path)
        return None
    with lock_home(open_home(home_path(settings))), _keys(settings, file, passphrase) as vault:
        return put(file, database_path(settings), vault, replace=replace)


@contextmanager
def _keys(
    settings: SettingsInForce, file: Path, passphrase: str | None
) -> Generator["FileVault | EnvironmentVault"]:
    """The vault that opens a backup. A key file that was not there before goes again when the
    restore fails."""
    from tertulia.adapters.keyfile.envelope import disclose
    from tertulia.adapters.keyfile.vault import EnvironmentVault, FileVault
    from tertulia.adapters.sql.backup import read_backup

    path = key_path(settings)
    envelope = read_backup(file).envelope if passphrase else None
    if passphrase and envelope is None:
        msg = f"The backup {file} was made without a passphrase; put the key file in its place."
        raise KeyAbsentError(msg)
    keyring = disclose(envelope, passphrase) if envelope and passphrase else None
    if path is None:
        yield EnvironmentVault(settings.of(MasterKeySettings).key.get_secret_value())
        return
    if path.exists():
        vault = FileVault(path)
        if keyring:
            vault.adopt(keyring)
        yield vault
        return
    if keyring is None:
        msg = f"Without its key a backup cannot be read; put the key file at {path} first."
        raise KeyAbsentError(msg)
    vault = FileVault.create(path, keyring)
    try:
        yield vault
    except BaseException:
        path.unlink()
        raise


async def rotate(
    settings: SettingsInForce, *, retire: bool, on_progress: Callable[[int], None]
) -> "Rotation":
    """Change the master key, also beside a running server."""
    from tertulia.adapters.sql.rotation import rotate_master_key

    async with wired(settings) as wiring:
        admin, vault = await wiring.port(StoreAdmin), await wiring.port(KeyVault)
        return await rotate_master_key(admin, vault, retire=retire, on_progress=on_progress)


def relocate(
    settings: SettingsInForce,
    source: str,
    target: str,
    *,
    on_progress: Callable[[str, int, int], None],
    on_check: Callable[[], None],
) -> int:
    """Copy a database that nobody serves into an empty one, of either kind; also what is left
    of it, when that broke off. The copy holds all texts itself; returns how many it lacks because
    the history log has lost them."""
    from tertulia.adapters.sql.copied_texts import fetch_back
    from tertulia.adapters.sql.relocation import relocate as move
    from tertulia.adapters.sql.store import check_driver

    for url in (source, target):
        if not ADDRESS.fullmatch(url):
            raise AddressError
        if StoreSettings(url=url).shared:
            check_driver()
    lost = 0

    def complete(copy: "Side") -> None:
        async def fetch() -> int:
            async with chosen_history(settings.of(MessagesSettings), SystemClock()) as chosen:
                return await fetch_back(copy, chosen.log)

        nonlocal lost
        lost = call(fetch)

    move(source, target, on_progress=on_progress, on_check=on_check, complete=complete)
    return lost
