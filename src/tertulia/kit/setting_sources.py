"""Where settings are read from: the environment, `.env` and `tertulia.toml`."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from tertulia.kit.settings import PREFIX, Given, Key, Layer, SettingsError, unknown

DOTENV = ".env"
TOML = "tertulia.toml"


def from_variables(variables: Mapping[str, str | None], origin: str, known: Iterable[Key]) -> Layer:
    """Those that begin with `TERTULIA_`. SettingsError names one that is no setting."""
    keys = {key.variable: key for key in known}
    layer: dict[Key, Given] = {}
    for name, raw in variables.items():
        if not name.upper().startswith(PREFIX):
            continue
        key = keys.get(name.upper())
        if key is None:
            raise SettingsError(unknown(name, f"from {origin}", list(keys)))
        if raw:
            layer[key] = Given(raw, f"{origin} ({name})")
    return layer


def from_dotenv(path: Path, known: Iterable[Key]) -> Layer:
    """The variables of a `.env` file; nothing when there is none."""
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return from_variables(dotenv_values(path, interpolate=False), str(path), known)


def from_toml(path: Path, known: Sequence[Key]) -> Layer:
    """The sections of a `tertulia.toml`; nothing when there is none."""
    if not path.is_file():
        return {}
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}."
        raise SettingsError(msg) from error
    sections = {key.section for key in known if key.section}
    layer: dict[Key, Given] = {}
    for name, value in document.items():
        if name in sections and not isinstance(value, dict):
            msg = f"{name} (from {path}) is a section; write it as [{name}]."
            raise SettingsError(msg)
        fields = cast("dict[str, object]", value if name in sections else {name: value})
        section = name if name in sections else ""
        for field, raw in fields.items():
            key = Key(section, field)
            if key not in known:
                raise SettingsError(unknown(str(key), f"from {path}", _names(known, section)))
            layer[key] = Given(raw, f"{path} ({key})")
    return layer


def _names(known: Sequence[Key], section: str) -> list[str]:
    inside = [str(key) for key in known if key.section == section]
    return inside if section else [*inside, *{key.section for key in known if key.section}]
