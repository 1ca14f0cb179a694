"""The settings in force: command line, environment, `.env`, `tertulia.toml`, defaults."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tertulia.assembly.roles import settings_classes
from tertulia.kit.crash_points import VARIABLE as CRASH_AT
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.setting_sources import DOTENV, TOML, from_dotenv, from_toml, from_variables
from tertulia.kit.settings import (
    Given,
    Key,
    Layer,
    SettingsError,
    SettingsInForce,
    known_keys,
    settle,
)

HOME: Final = Key("", "home")


def load_settings(options: Mapping[str, object] | None = None) -> SettingsInForce:
    """`options` are those of the command line, by setting (`home`, `store.url`); None is not given.

    The files are read in the working directory, then in the home. SettingsError names the
    setting, where it was given and what is allowed.
    """
    sections = settings_classes()
    known = list(known_keys(sections))
    line = {
        Key(*name.rpartition(".")[::2]): Given(value, f"the command line (--{name})")
        for name, value in (options or {}).items()
        if value is not None
    }
    variables = {name: value for name, value in os.environ.items() if name != CRASH_AT}
    environment = from_variables(variables, "the environment", known)
    here = Path.cwd()
    nearer: list[Layer] = [line, environment]
    files = [from_dotenv(here / DOTENV, known), from_toml(here / TOML, known)]
    home = _home([*nearer, *files])
    if home == here:
        return settle(sections, [*nearer, *files])
    dotenv, toml = from_dotenv(home / DOTENV, known), from_toml(home / TOML, known)
    for layer in (dotenv, toml):
        if HOME in layer:
            msg = f"home (from {layer[HOME].origin}) cannot be set by a file inside the home."
            raise SettingsError(msg)
    return settle(sections, [*nearer, files[0], dotenv, files[1], toml])


def _home(layers: list[Layer]) -> Path:
    given = next((layer[HOME].raw for layer in layers if HOME in layer), None)
    default = Path(str(ProcessSettings.model_fields["home"].default))
    return (Path(str(given)) if given is not None else default).expanduser().absolute()
