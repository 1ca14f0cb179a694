"""Settings: one validated, frozen class per section, and where each value came from."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import ClassVar, Final, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from tertulia.kit.errors import Kind, TertuliaError

PREFIX: Final = "TERTULIA_"
DEFAULT: Final = "default"
MASK: Final = "********"
PASSWORD: Final = re.compile(r"^([a-z0-9+.-]+://[^/?#@]*:)[^/?#]*@", re.IGNORECASE)
PASSWORD_GIVEN: Final = re.compile(r"([?&]password=)[^&#]*")
LISTED: Final = 20  # names in one sentence; more are not read


class Settings(BaseModel):
    """One section of the settings: that of a role (`section = "relay"`) or of an adapter.

    A field `lease_s` of section `relay` is `TERTULIA_RELAY_LEASE_S` in the environment and
    `lease_s` under `[relay]` in `tertulia.toml`. Section "" is the top of both. Every field has
    a default, its unit in its name and a docstring; secrets are `SecretStr`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    section: ClassVar[str]


class SettingsError(TertuliaError):
    """A setting is unknown or wrong."""

    code = "settings_invalid"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Key:
    """The name of one setting."""

    section: str
    field: str

    def __str__(self) -> str:
        return f"{self.section}.{self.field}" if self.section else self.field

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + str(self).replace(".", "_").upper()


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody wrote it, and where."""

    raw: object
    origin: str


Layer = Mapping[Key, Given]
"""What one source says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting in force. `value` is plain JSON; a secret that is set, also the password in
    an address, reads `********`."""

    key: Key
    value: object
    origin: str
    description: str


S = TypeVar("S", bound=Settings)


class SettingsInForce:
    """The settings of a process: every section validated, every value with its origin."""

    def __init__(
        self, sections: Mapping[type[Settings], Settings], origins: Mapping[Key, str]
    ) -> None:
        self._sections = sections
        self._origins = origins

    def of(self, section: type[S]) -> S:
        """The values of one section."""
        return cast("S", self._sections[section])

    def filled_in(self, section: type[S], values: S) -> "SettingsInForce":
        """With other values in one section: what a process finds out when it starts."""
        return SettingsInForce({**self._sections, section: values}, self._origins)

    def origin(self, section: type[Settings], field: str) -> str:
        """Where a value came from; `default` when nobody gave one."""
        return self._origins.get(Key(section.section, field), DEFAULT)

    def __iter__(self) -> Iterator[Setting]:
        for kind, values in self._sections.items():
            for name, field in kind.model_fields.items():
                yield Setting(
                    key=Key(kind.section, name),
                    value=_plain(getattr(values, name)),
                    origin=self.origin(kind, name),
                    description=field.description or "",
                )


def known_keys(sections: Sequence[type[Settings]]) -> Mapping[Key, FieldInfo]:
    """Every setting that there is."""
    return {
        Key(section.section, name): field
        for section in sections
        for name, field in section.model_fields.items()
    }


def settle(sections: Sequence[type[Settings]], layers: Sequence[Layer]) -> SettingsInForce:
    """Validate what the layers say, the strongest first. SettingsError names every setting that
    is wrong, where it was given and what is allowed."""
    fields = known_keys(sections)
    given: dict[Key, Given] = {}
    for layer in reversed(layers):
        given.update(layer)
    problems: list[str] = []
    settled: dict[type[Settings], Settings] = {}
    for section in sections:
        own = {key.field: value for key, value in given.items() if key.section == section.section}
        raw = {name: _parsed(fields[Key(section.section, name)], v) for name, v in own.items()}
        try:
            settled[section] = section.model_validate(raw)
        except ValidationError as error:
            problems += [_wrong(section, own, dict(e)) for e in error.errors(include_url=False)]
    if problems:
        raise SettingsError(" ".join(problems))
    return SettingsInForce(settled, {key: value.origin for key, value in given.items()})


def unknown(name: str, origin: str, known: Sequence[str]) -> str:
    """The sentence about a setting that does not exist."""
    bare = {other.removeprefix(PREFIX): other for other in known}
    close = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=0.6)
    if close:
        return f"{name} ({origin}) is not a setting; did you mean {bare[close[0]]}?"
    if len(known) > LISTED:
        return f"{name} ({origin}) is not a setting; `tertulia config` lists those that there are."
    return f"{name} ({origin}) is not a setting; allowed are {', '.join(sorted(known))}."


def _wrong(section: type[Settings], own: Mapping[str, Given], error: Mapping[str, object]) -> str:
    where = cast("tuple[str | int, ...]", error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if not where or where[0] not in own:
        return f"The settings of [{section.section}] do not fit: {message}."
    name = str(where[0])
    return f"{Key(section.section, name)} (from {own[name].origin}) {message}."


def _parsed(field: FieldInfo, given: Given) -> object:
    """Text from the environment for a list or a mapping is read as JSON, or split at commas."""
    raw = given.raw
    if not isinstance(raw, str):
        return raw
    options = [get_origin(field.annotation), *(get_origin(o) for o in get_args(field.annotation))]
    if dict in options or raw.lstrip().startswith("["):
        try:
            return cast("object", json.loads(raw))
        except ValueError:
            return raw
    if {tuple, list, set, frozenset} & set(options):
        return [part.strip() for part in raw.split(",") if part.strip()]
    return raw


def _plain(value: object) -> object:
    match value:
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case dict():
            return {str(k): _plain(v) for k, v in cast("dict[object, object]", value).items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(part) for part in cast("Sequence[object]", value)]
        case str():
            hidden = PASSWORD.sub(rf"\g<1>{MASK}@", value)
            return PASSWORD_GIVEN.sub(rf"\g<1>{MASK}", hidden)
        case _:
            return value if isinstance(value, int | float | None) else str(value)
