"""Wiring: what a signature names is opened once and passed, dependencies first."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar, cast, get_type_hints

from tertulia.kit.settings import Settings, SettingsInForce

T = TypeVar("T")
S = TypeVar("S", bound=Settings)
Opener = Callable[..., AbstractAsyncContextManager[Any]]


class Wiring:
    """Resolves parameters by their annotations: a settings class, a given value, or a port whose
    opener (whose parameters are resolved the same way) is entered on the stack."""

    def __init__(
        self,
        stack: AsyncExitStack,
        openers: Mapping[str, Callable[[], Opener]],
        settings: SettingsInForce,
        given: Mapping[Any, object],
    ) -> None:
        self._stack = stack
        self._openers = openers
        self._settings = settings
        self._opened = dict(given)

    async def port(self, kind: type[T]) -> T:
        """The one instance of a port in this process."""
        if kind not in self._opened:
            opener = self._openers[kind.__name__]()
            arguments = await self.arguments(opener)
            self._opened[kind] = await self._stack.enter_async_context(opener(**arguments))
        return cast("T", self._opened[kind])

    def settings(self, section: type[S]) -> S:
        """A section of the settings in force."""
        return self._settings.of(section)

    async def arguments(self, function: Callable[..., object]) -> dict[str, object]:
        """What to call the function with."""
        return {
            name: await self._value(annotation) for name, annotation in parameters(function).items()
        }

    async def _value(self, annotation: Any) -> object:
        if inspect.isclass(annotation) and issubclass(annotation, Settings):
            return self._settings.of(annotation)
        return await self.port(annotation)


def parameters(function: Callable[..., object]) -> dict[str, Any]:
    """The annotations of a function's parameters, by name."""
    hints = get_type_hints(inspect.unwrap(function))
    hints.pop("return", None)
    return hints
