"""Writes the pages of the reference that are made from the code.

python tools/reference.py           write them
python tools/reference.py --check   exit code 1 when a page differs from the code
"""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, cast, get_args, get_origin, get_type_hints

import typer.main
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from typer.testing import CliRunner

from tertulia.adapters.http.problems import CODES, STATUS, InternalError
from tertulia.assembly.roles import ROLES, ports_of, role, settings_classes
from tertulia.cli.app import app
from tertulia.domain import events, feed
from tertulia.kit.errors import TertuliaError
from tertulia.kit.settings import Key, Settings

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"
MARK: Final = "<!-- Made from the code by tools/reference.py; change the code instead. -->"
NAME: Final = "tertulia"


def commands() -> str:
    """Every command with its help."""
    lines = ["# Commands", "", MARK]
    for path in _commands(typer.main.get_command(app), []):
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "88"}, prog_name=NAME)
        lines += ["", f"## {' '.join([NAME, *path])}", "", "```text"]
        lines += [line.rstrip() for line in shown.stdout.strip().splitlines()]
        lines.append("```")
    return _page(lines)


def _commands(command: object, path: list[str]) -> Iterator[list[str]]:
    yield path
    inner = cast("Mapping[str, object]", getattr(command, "commands", {}))
    for name, each in inner.items():
        yield from _commands(each, [*path, name])


def settings() -> str:
    """Every setting: its names, what it takes, its default and its meaning."""
    lines = [
        "# Settings",
        "",
        MARK,
        "",
        "Strongest first: an option of the command line, a variable of the environment, `.env`,",
        "`tertulia.toml` (both in the working directory, then in the home), the default.",
        "`tertulia config` shows what is in force and where it came from. A setting that does not",
        "exist, or does not fit, is an error that names it.",
    ]
    for section in sorted(settings_classes(), key=lambda each: each.section):
        title = f"[{section.section}]" if section.section else "The process"
        lines += ["", f"## {title}", "", *_paragraph(section)]
        lines += ["", "| in `tertulia.toml` | variable | takes | default | meaning |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_setting(section, name) for name in section.model_fields]
    return _page(lines)


def _setting(section: type[Settings], name: str) -> str:
    field = section.model_fields[name]
    variable = Key(section.section, name).variable
    bounds = " ".join(_bound(each) for each in field.metadata).strip()
    takes = _cell(f"{_type(field.annotation)} {bounds}".strip())
    default = _default(field.default)
    return f"| `{name}` | `{variable}` | {takes} | {default} | {_cell(field.description or '')} |"


WORDS: Final[Mapping[object, str]] = {
    bool: "true, false",
    int: "number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret",
}


def _type(annotation: object) -> str:
    """What a value may be, in words; that it may be left out goes without saying."""
    if inspect.isclass(annotation):
        return WORDS.get(annotation, annotation.__name__)
    options = [each for each in get_args(annotation) if each not in (type(None), ...)]
    match get_origin(annotation):
        case origin if origin is Literal:
            return ", ".join(f"`{each}`" for each in options)
        case origin if origin in {tuple, list, frozenset}:
            return f"list of {_type(options[0])}"
        case _:
            return ", ".join(map(_type, options))


def _bound(constraint: object) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return " ".join(
        f"{sign} {getattr(constraint, name):,}"
        for name, sign in signs.items()
        if getattr(constraint, name, None) is not None
    )


def _default(value: object) -> str:
    match value:
        case None | "" | () | SecretStr():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case float() if value.is_integer():
            return f"`{int(value)}`"
        case Path() if value.is_absolute():
            return "the user's data directory"
        case tuple():
            return f"`{', '.join(map(str, cast('tuple[object, ...]', value)))}`"
        case _:
            return "by the machine" if value is PydanticUndefined else f"`{value}`"


def errors() -> str:
    """Every code that an error may carry."""
    lines = [
        "# Error codes",
        "",
        MARK,
        "",
        "Codes are stable. `/api` answers with problem details (RFC 9457) whose `code` is one of",
        "these; `/v1` and `/chat` answer in the form of their own contracts. On the command line",
        "an error is one sentence on stderr and exit code 2.",
        "",
        "| code | status | meaning |",
        "|---|---|---|",
    ]
    found: dict[str, tuple[int, list[str]]] = {}
    for each in _error_classes(TertuliaError):
        if "code" in vars(each):
            _, said = found.setdefault(each.code, (STATUS[each.kind], []))
            said.append(each().message)
    for status, code in CODES.items():
        found.setdefault(code, (status, [f"{HTTPStatus(status).phrase}."]))
    found[InternalError.code] = (500, [InternalError().message])
    lines += [
        f"| `{code}` | {status} | {_cell(' '.join(sorted(set(said))))} |"
        for code, (status, said) in sorted(found.items())
    ]
    return _page(lines)


def _error_classes(root: type[TertuliaError]) -> Iterator[type[TertuliaError]]:
    for inner in root.__subclasses__():
        if inner.__module__.startswith("tertulia."):
            yield inner
            yield from _error_classes(inner)


def roles() -> str:
    """What each role does and the ports that it takes."""
    lines = ["# Roles", "", MARK, "", "`tertulia up` runs all of them in one process;"]
    lines += ["`tertulia run ROLE…` runs some. They start in this order.", ""]
    lines += ["| role | does | ports |", "|---|---|---|"]
    known = {each.__name__ for module in _modules("tertulia.ports") for each in _classes(module)}
    for each in map(role, ROLES):
        names = ", ".join(
            f"[{name}](ports.md#{name.lower()})" if name in known else name
            for name in ports_of(each)
        )
        lines.append(f"| {each.name} | {_cell(each.summary)} | {names} |")
    return _page(lines)


def ports() -> str:
    """Every port with what it guarantees."""
    lines = ["# Ports", "", MARK, "", "What roles need from the world. Each port has one suite of"]
    lines += ["tests in `tests/ports/` that every adapter behind it passes."]
    for module in _modules("tertulia.ports"):
        lines += [line for each in _classes(module) for line in _port(each)]
    return _page(lines)


def _port(kind: type[Any]) -> Iterator[str]:
    if not getattr(kind, "_is_protocol", False):
        return
    yield from ("", f"## {kind.__name__}", "", *_paragraph(kind))
    tree = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101  it is the source of a class
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ("", f"`{_signature(node)}`", *_indented(ast.get_docstring(node)))


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    node.args.args = [each for each in node.args.args if each.arg != "self"]
    returns = f" → {ast.unparse(node.returns)}" if node.returns else ""
    text = f"{node.name}({ast.unparse(node.args)}){returns}".replace("'", "")
    if any(ast.unparse(each) == "property" for each in node.decorator_list):
        text = f"{node.name}{returns}"
    return f"await {text}" if isinstance(node, ast.AsyncFunctionDef) else text


def _indented(doc: str | None) -> list[str]:
    text = (doc or "").splitlines()
    return ["", f":   {text[0]}", *(f"    {line}".rstrip() for line in text[1:])] if text else []


def bus_events() -> str:
    """What roles tell each other, and what the feed tells clients."""
    lines = ["# Events", "", MARK, "", "## On the bus", ""]
    lines += ["Bodies hold ids only, never text. On a broker each lies in an envelope:"]
    lines += ["[asyncapi.json](asyncapi.json) is the AsyncAPI 3 document of it."]
    for kind in _classes(events):
        if hasattr(kind, "kind"):
            lines += ["", f"### {kind.kind}, version {kind.version}", "", *_paragraph(kind), ""]
            lines += ["| field | type |", "|---|---|"]
            hints = get_type_hints(kind)
            fields = [f.name for f in dataclasses.fields(kind)]
            lines += [f"| `{name}` | {hints[name].__name__} |" for name in fields]
    lines += [
        "",
        "## In the feed",
        "",
        *_paragraph(feed.Change),
        "",
        "| kind | says |",
        "|---|---|",
    ]
    lines += [f"| `{kind}` | {_cell(says)} |" for kind, says in _members(feed.ChangeKind).items()]
    return _page(lines)


def _members(kind: type[Any]) -> Mapping[str, str]:
    """The values of an enumeration with the text that stands below each."""
    tree = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101  it is the source of a class
    said: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            said[str(node.value.value)] = ""
        elif said and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said[list(said)[-1]] = inspect.cleandoc(str(node.value.value))
    return said


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "commands.md": commands,
    "settings.md": settings,
    "errors.md": errors,
    "roles.md": roles,
    "ports.md": ports,
    "events.md": bus_events,
}


def pages() -> Mapping[Path, str]:
    """Every generated page by its path."""
    list(_modules("tertulia"))  # so that every error class is known
    return {FOLDER / name: make() for name, make in PAGES.items()}


def _modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith("__main__") and ".migrations." not in found.name:
            yield importlib.import_module(found.name)


def _classes(module: ModuleType) -> list[type[Any]]:
    own = [each for each in vars(module).values() if inspect.isclass(each)]
    return [each for each in own if each.__module__ == module.__name__]


def _paragraph(kind: type[Any]) -> list[str]:
    return inspect.cleandoc(kind.__doc__ or "").splitlines()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _page(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def main() -> int:
    made = pages()
    if "--check" not in sys.argv:
        for path, text in made.items():
            path.write_text(text)
        return 0
    stale = [path.name for path, text in made.items() if path.read_text() != text]
    print(f"differ from the code: {', '.join(stale)} (make reference)" if stale else "up to date")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
