"""Prints and holds the budgets on the tail: the largest file, the longest body, cycles, mocks.

    python tools/budgets.py           a table; exit code 1 when a budget is exceeded

A budget that is in the way of a better design is changed here, with a decision record that says
why.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).resolve().parent.parent

FILE_LINES: Final = 500
BODY_LINES: Final = 40
LONG_BODIES_PERCENT: Final = 3.0
BROAD_EXCEPTS_PER_1000_LINES: Final = 0.5
MOCKS_PER_100_TESTS: Final = 5.0
WEB_FILE_LINES: Final = 250

MOCKING: Final = {"Mock", "MagicMock", "AsyncMock", "NonCallableMock", "create_autospec"}
BROAD: Final = {"Exception", "BaseException"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured budget; `worst` names the places to look at."""

    name: str
    measured: float
    limit: float
    unit: str
    worst: Sequence[str]

    @property
    def kept(self) -> bool:
        return self.measured <= self.limit


def measure() -> list[Finding]:
    product = [*read("src"), *read("tools"), *read("bench")]
    tests = read("tests")
    return [
        largest("largest file", FILE_LINES, [(s.lines, s.at(1)) for s in [*product, *tests]]),
        long_bodies([*product, *tests]),
        broad_excepts(product),
        mocks(tests),
        largest("largest web file", WEB_FILE_LINES, web_files()),
        cycles(),
    ]


def read(folder: str) -> list[Source]:
    paths = sorted((ROOT / folder).rglob("*.py"))
    texts = [(path, path.read_text()) for path in paths if "node_modules" not in path.parts]
    return [Source(path, text, ast.parse(text)) for path, text in texts]


def largest(name: str, limit: int, sizes: Sequence[tuple[int, str]]) -> Finding:
    worst = sorted(sizes, reverse=True)[:3]
    return Finding(
        name, worst[0][0] if worst else 0, limit, "lines", [f"{at} {n}" for n, at in worst]
    )


def long_bodies(sources: Sequence[Source]) -> Finding:
    """A body counts from its first statement after the docstring to its end."""
    sizes = [(size, source.at(f.lineno)) for source in sources for f, size in bodies(source)]
    long = sorted((size for size in sizes if size[0] > BODY_LINES), reverse=True)
    percent = 100 * len(long) / max(len(sizes), 1)
    name = f"bodies over {BODY_LINES} lines"
    return Finding(name, percent, LONG_BODIES_PERCENT, "%", [f"{at} {n}" for n, at in long])


def bodies(source: Source) -> Iterator[tuple[Function, int]]:
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield node, (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1


def broad_excepts(sources: Sequence[Source]) -> Finding:
    """Handlers that could swallow anything. One that ends in a bare `raise` only cleans up."""
    found = [
        source.at(node.lineno)
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type) and not raises_on(node)
    ]
    per_1000 = 1000 * len(found) / max(sum(source.lines for source in sources), 1)
    name = "broad excepts per 1,000 lines"
    return Finding(name, per_1000, BROAD_EXCEPTS_PER_1000_LINES, "", found)


def is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(is_broad(each) for each in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in BROAD)


def raises_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def mocks(tests: Sequence[Source]) -> Finding:
    """Mocks, `patch(…)` and `monkeypatch.setattr`; setting the environment is no mock."""
    found: list[str] = []
    count = 0
    for source in tests:
        for node in ast.walk(source.tree):
            if isinstance(node, Function) and node.name.startswith("test_"):
                count += 1
            if isinstance(node, ast.Call) and is_mocking(node.func):
                found.append(source.at(node.lineno))
    name = "mocks and patches per 100 tests"
    return Finding(name, 100 * len(found) / max(count, 1), MOCKS_PER_100_TESTS, "", found)


def is_mocking(called: ast.expr) -> bool:
    text = ast.unparse(called)
    return text.split(".")[-1] in MOCKING or bool(
        re.search(
            r"^(.+\.)?mocker?\.patch$|^patch$|patch\.(object|dict)$|monkeypatch\.(setattr|delattr)$",
            text,
        )
    )


def web_files() -> list[tuple[int, str]]:
    generated = "generated"
    found: list[tuple[int, str]] = []
    for pattern in ("*.ts", "*.tsx", "*.css"):
        for path in (ROOT / "web" / "src").rglob(pattern):
            text = path.read_text()
            if generated not in text[:400]:
                found.append((len(text.splitlines()), str(path.relative_to(ROOT))))
    return found


def cycles() -> Finding:
    graph = grimp.build_graph("tertulia", cache_dir=None)
    chains = sorted(
        " → ".join(chain)
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
        if module < other and (back := graph.find_shortest_chain(other, module))
        for chain in [(module, *back)]
    )
    return Finding("import cycles", len(chains), 0, "", chains)


def main() -> int:
    findings = measure()
    for found in findings:
        verdict = "kept" if found.kept else "OVER"
        print(f"{verdict}  {found.name:32}{found.measured:8.2f} of {found.limit:g} {found.unit}")
        if not found.kept:
            print("".join(f"        {place}\n" for place in found.worst), end="")
    return 0 if all(found.kept for found in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
