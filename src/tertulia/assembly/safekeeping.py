"""Backup, restore and rotation of the master key: what needs adapters to know each other."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tertulia.assembly.home import lock_home, open_home
from tertulia.assembly.places import database_path, home_path, key_path
from tertulia.assembly.process import wired
from tertulia.kit.clock import Clock
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.settings import SettingsInForce
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.store_admin import StoreAdmin

if TYPE_CHECKING:
    from tertulia.adapters.sql.rotation import Rotation


class NothingToKeepError(TertuliaError):
    """There is nothing to back up."""

    code = "nothing_to_back_up"
    kind = Kind.NOT_FOUND


class KeyAbsentError(TertuliaError):
    """Without its key a backup cannot be read."""

    code = "key_absent"
    kind = Kind.CONFLICT


async def back_up(settings: SettingsInForce, target: Path) -> None:
    """Write a backup to a new file, also beside a running server."""
    from tertulia.adapters.sql.backup import back_up as write

    database = database_path(settings)
    if not database.exists():
        msg = f"There is no database {database} to back up."
        raise NothingToKeepError(msg)
    async with wired(settings) as wiring:
        now = (await wiring.port(Clock)).now()
        await write(await wiring.port(StoreAdmin), target, made_at=now)


async def restore(settings: SettingsInForce, file: Path, *, replace: bool) -> Path | None:
    """Put a backup in the place of the database; the path that a replaced one has now."""
    from tertulia.adapters.sql.restore import restore as put

    home = open_home(home_path(settings))
    with lock_home(home):
        key = key_path(settings)
        if key and not key.exists():
            msg = f"Without its key a backup cannot be read; put the key file at {key} first."
            raise KeyAbsentError(msg)
        async with wired(settings) as wiring:
            vault = await wiring.port(KeyVault)
            return put(file, database_path(settings), vault, replace=replace)


async def rotate(
    settings: SettingsInForce, *, retire: bool, on_progress: Callable[[int], None]
) -> "Rotation":
    """Change the master key, also beside a running server."""
    from tertulia.adapters.sql.rotation import rotate_master_key

    async with wired(settings) as wiring:
        admin, vault = await wiring.port(StoreAdmin), await wiring.port(KeyVault)
        return await rotate_master_key(admin, vault, retire=retire, on_progress=on_progress)
