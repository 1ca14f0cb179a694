"""Statements: SQLAlchemy expressions, compiled to text once per dialect when a store opens.

What differs between dialects is here (upserts) or in the module that opens the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    Executable,
    FromClause,
    Integer,
    Text,
    bindparam,
    literal_column,
)

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert as ConflictInsert

Row = tuple[Any, ...]
Params = Mapping[str, str | int | bytes | None]
Insert = Callable[[FromClause], "ConflictInsert"]
"""The dialect's own INSERT, which knows ON CONFLICT."""


class Statement:
    """A handle: made where it is used, at import, and looked up in a dialect's `Compiled`."""

    __slots__ = ("build",)
    known: ClassVar[list["Statement"]] = []

    def __init__(
        self, build: Callable[[Insert], Executable], known: list["Statement"] | None = None
    ) -> None:
        self.build: Final = build
        (self.known if known is None else known).append(self)


def statement(expression: Executable) -> Statement:
    return Statement(lambda _: expression)


def text(value: str) -> ColumnElement[str]:
    """A constant in the statement's text: a partial index serves only what it can see there."""
    return literal_column(f"'{value}'", Text())


def integer(value: int) -> ColumnElement[int]:
    """As `text`."""
    return literal_column(str(value), Integer())


def given(name: str) -> BindParameter[Any]:
    """A parameter."""
    return bindparam(name)


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL text, the names of its numbered parameters in order (none where the text names them),
    and the values of the parameters that are always the same."""

    sql: str
    names: Sequence[str]
    constants: Mapping[str, Any]


def compile_all(
    dialect: Dialect, statements: Sequence[Statement] = Statement.known
) -> Mapping[Statement, Compiled]:
    """Every statement (of the imported repositories) in `dialect`."""
    insert: Any = import_module(f"sqlalchemy.dialects.{dialect.name}").insert
    compiled: dict[Statement, Compiled] = {}
    for known in statements:
        expression: Any = known.build(insert)
        result = expression.compile(dialect=dialect)
        params: Mapping[str, Any] = result.params
        constants = {name: value for name, value in params.items() if value is not None}
        names: Sequence[str] = result.positiontup or ()
        compiled[known] = Compiled(str(result), names, constants)
    return compiled


class Connection(Protocol):
    """A connection inside a transaction. Parameters are by name; none are converted.

    `put` and `put_many` need no answer, so they may travel with what comes next; what is wrong
    with them comes out then, or at the commit. Where several units of work run at once, `alone`
    lets those that name the same thing go on one after another, from here to their commit; `among`
    lets them go on beside each other, but not beside one that is `alone`.
    """

    def one(self, statement: Statement, params: Params) -> Row | None: ...

    def all(self, statement: Statement, params: Params) -> list[Row]: ...

    def run(self, statement: Statement, params: Params) -> int:
        """Returns how many rows were changed."""
        ...

    def put(self, statement: Statement, params: Params) -> None: ...

    def put_many(self, statement: Statement, rows: Sequence[Params]) -> None: ...

    def alone(self, name: str) -> None: ...

    def among(self, name: str) -> None: ...
