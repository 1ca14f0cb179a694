"""The role table, and the settings that all of it may have."""

import inspect
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Final, cast

from tertulia import adapters, roles
from tertulia.assembly.wiring import parameters
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import Settings
from tertulia.ports.role import Role

# In the order in which they start; `up` runs them all.
ROLES: Final = ("gateway", "chat", "relay", "preprocess", "inference")


class RoleUnknownError(TertuliaError):
    """There is no such role."""

    code = "role_unknown"
    kind = Kind.INVALID


def role(name: str) -> Role:
    """RoleUnknownError names those that there are."""
    if name not in ROLES:
        msg = f"There is no role {name!r}; the roles are {', '.join(ROLES)}."
        raise RoleUnknownError(msg)
    return cast("Role", import_module(f"tertulia.roles.{name}.role").ROLE)


def ports_of(wanted: Role) -> Sequence[str]:
    """The names of the ports in its signature."""
    return [
        kind.__name__
        for kind in parameters(wanted.run).values()
        if not (inspect.isclass(kind) and issubclass(kind, Settings))
    ]


@cache
def settings_classes() -> tuple[type[Settings], ...]:
    """Every section: the process itself, the roles, the adapters. Loads no role and no driver."""
    packages = [
        *iter_modules(roles.__path__, "tertulia.roles."),
        *iter_modules(adapters.__path__, "tertulia.adapters."),
    ]
    found: list[type[Settings]] = [ProcessSettings]
    for package in packages:
        module = f"{package.name}.settings"
        if find_spec(module) is None:
            continue
        for _, value in inspect.getmembers(import_module(module), inspect.isclass):
            if issubclass(value, Settings) and value.__module__ == module:
                found.append(value)
    return tuple(found)
