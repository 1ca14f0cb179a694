"""Where the files of an installation are, as its settings say."""

from pathlib import Path

from tertulia.adapters.keyfile.settings import MasterKeySettings
from tertulia.adapters.sql.settings import StoreSettings
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce


def home_path(settings: SettingsInForce) -> Path:
    """The home; it may not be there yet."""
    return settings.of(ProcessSettings).home.expanduser().absolute()


def database_path(settings: SettingsInForce) -> Path:
    """The SQLite database; it may not be there yet."""
    url = settings.of(StoreSettings).url
    return Path(url.removeprefix("sqlite:///")) if url else home_path(settings) / "tertulia.db"


def key_path(settings: SettingsInForce) -> Path | None:
    """The key file, which may not be there yet; None when the settings hold the key itself."""
    given = settings.of(MasterKeySettings)
    if given.key.get_secret_value():
        return None
    return (given.file or home_path(settings) / "master.key").expanduser().absolute()
