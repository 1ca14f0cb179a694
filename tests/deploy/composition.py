"""`deploy/compose.yaml` as the engine reads it: variables filled in, profiles chosen."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml
from dotenv import dotenv_values

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
COMPOSE: Final = DEPLOY / "compose.yaml"
# $$ is a dollar; ${NAME}, ${NAME:-default} and ${NAME:?what is missing} are filled in.
VARIABLE: Final = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


class VariableMissingError(AssertionError):
    """A variable that has to be set is not."""


@dataclass(frozen=True, slots=True)
class Composition:
    """What is in the file, with variables filled in."""

    content: Mapping[str, Any]

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Composition":
        return cls(cast("Mapping[str, Any]", _filled(raw(), variables)))

    @property
    def services(self) -> Mapping[str, Mapping[str, Any]]:
        return self.content["services"]

    @property
    def roles(self) -> Mapping[str, Mapping[str, Any]]:
        """The services that are our own image."""
        return {name: each for name, each in self.services.items() if "build" in each}

    def started(self, *profiles: str) -> set[str]:
        """What `up` starts with these profiles."""
        return {
            name
            for name, each in self.services.items()
            if not each.get("profiles") or set(each["profiles"]) & set(profiles)
        }


def raw() -> Mapping[str, Any]:
    """What is in the file, as it is written."""
    return cast("Mapping[str, Any]", yaml.safe_load(COMPOSE.read_text("utf-8")))


def make_variables(folder: Path) -> dict[str, str]:
    """What `secrets.sh` writes, made in `folder`."""
    for name in (".env.example", "secrets.sh"):
        shutil.copy(DEPLOY / name, folder / name)
    subprocess.run([folder / "secrets.sh"], check=True, capture_output=True)
    found = dotenv_values(folder / ".env", interpolate=True)
    return {name: value or "" for name, value in found.items()}


def health_command() -> list[str]:
    """What the engine runs in a container to see whether it is alive."""
    found = re.search(
        r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE
    )
    assert found
    program, *arguments = json.loads(found[1])
    assert program == "python"
    return [sys.executable, *arguments]


def image_host() -> str:
    """Where a process in the image listens, without the port."""
    found = re.search(r"TERTULIA_ADDRESS=(\S+):8420", (DEPLOY / "Dockerfile").read_text())
    assert found
    return found[1]


def _filled(value: object, variables: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: _one(found, variables), value)
    if isinstance(value, list):
        return [_filled(each, variables) for each in cast("list[object]", value)]
    if isinstance(value, dict):
        named = cast("dict[str, object]", value)
        return {name: _filled(each, variables) for name, each in named.items()}
    return value


def _one(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found["name"]
    if name is None:
        return "$"
    if variables.get(name):
        return variables[name]
    if found["kind"] == "-":
        return found["rest"]
    raise VariableMissingError(name, found["rest"])
