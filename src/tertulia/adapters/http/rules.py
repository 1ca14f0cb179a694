"""Which rule a route declares. A route without one is a mistake that must not be served."""

from collections.abc import Iterable, Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute

from tertulia.domain.access import Rule
from tertulia.kit.errors import TertuliaError
from tertulia.ports.http import Requires


class RuleMissingError(TertuliaError):
    """A route declares no rule, or more than one."""

    code = "rule_missing"


def rule_of(route: BaseRoute) -> Rule:
    """RuleMissingError unless there is exactly one."""
    rules: list[Rule] = []
    if isinstance(route, APIRoute | APIWebSocketRoute):
        rules = [each.rule for each in _declared(route.dependant)]
    if len(rules) != 1:
        msg = f"the route {getattr(route, 'path', route)} declares {len(rules)} rules, not one"
        raise RuleMissingError(msg)
    return rules[0]


def check_rules(routes: Iterable[BaseRoute]) -> None:
    for route in routes:
        rule_of(route)


def _declared(dependant: Dependant) -> Iterator[Requires]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Requires):
            yield inner.call
        yield from _declared(inner)
