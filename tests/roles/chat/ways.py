"""Every way into a process: each route by each method and transport."""

from dataclasses import dataclass
from typing import Literal

from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute

from tertulia.adapters.http.rules import rule_of
from tertulia.domain.access import Rule


@dataclass(frozen=True)
class Way:
    """One way in: a route, a method, a transport."""

    rule: Rule
    path: str
    method: str
    kind: Literal["http", "websocket"]

    def __str__(self) -> str:
        return f"{self.method if self.kind == 'http' else 'WEBSOCKET'} {self.path}"


def ways(routes: list[BaseRoute]) -> list[Way]:
    found: list[Way] = []
    for route in routes:
        if isinstance(route, APIWebSocketRoute):
            found.append(Way(rule_of(route), route.path, "GET", "websocket"))
        else:
            assert isinstance(route, APIRoute), f"{route} cannot declare a rule"
            rule, methods = rule_of(route), sorted(route.methods or ())
            found += [Way(rule, route.path, method, "http") for method in methods]
    return found
