"""The opener of the key vault: an environment variable when given, else the key file."""

from collections.abc import AsyncGenerator, Callable
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
    process: ProcessSettings, settings: MasterKeySettings, *, written: Callable[[], bool]
) -> AsyncGenerator[EnvironmentVault | FileVault]:
    """`written`: whether the database holds something already. Then no key is made: a new one
    would be of no use, and would hide that the right one is missing (KeyFileMissingError)."""
    text = settings.key.get_secret_value()
    if text:
        yield EnvironmentVault(text)
        return
    path = key_file(process, settings)
    yield FileVault.create(path) if path.exists() or not written() else FileVault(path)
