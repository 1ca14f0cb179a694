"""The opener of the key vault: an environment variable when given, else the key file."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tertulia.adapters.keyfile.settings import MasterKeySettings
from tertulia.adapters.keyfile.vault import EnvironmentVault, FileVault
from tertulia.kit.process_settings import ProcessSettings


def key_file(process: ProcessSettings, settings: MasterKeySettings) -> Path:
    """Where the key file is, or will be."""
    given = settings.file or process.home / "master.key"
    return given.expanduser().absolute()


@asynccontextmanager
async def open_key_vault(
    process: ProcessSettings, settings: MasterKeySettings
) -> AsyncGenerator[EnvironmentVault | FileVault]:
    """A new key is made only for a home that holds no database yet: beside one it would be of no
    use, and would hide that the right key is missing (KeyFileMissingError)."""
    text = settings.key.get_secret_value()
    if text:
        yield EnvironmentVault(text)
        return
    path = key_file(process, settings)
    database = process.home.expanduser().absolute() / "tertulia.db"
    if database.exists() and database.stat().st_size:
        yield FileVault(path)
    else:
        yield FileVault.create(path)
