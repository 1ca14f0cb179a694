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
    """The SQLite database, where it is one; it may not be there yet."""
    return settings.of(StoreSettings).database(home_path(settings))


def key_path(settings: SettingsInForce) -> Path | None:
    """The key file, which may not be there yet; None when the settings hold the key itself."""
    from tertulia.adapters.keyfile.opener import key_file

    given = settings.of(MasterKeySettings)
    fixed = bool(given.key.get_secret_value())
    return None if fixed else key_file(settings.of(ProcessSettings), given)


def database_name(settings: SettingsInForce) -> str:
    """What to call the database before people: its path, or its name and its server."""
    if not settings.of(StoreSettings).shared:
        return str(database_path(settings))
    from tertulia.adapters.sql.store import place

    return str(place(settings.of(StoreSettings)))
