"""The tool that holds the budgets sees what it is meant to see."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tools.budgets import ROOT, Source, broad_excepts, long_bodies, mocks

LONG_BODY: Final = "def f():\n" + "    x = 1\n" * 41


def source(text: str) -> list[Source]:
    return [Source(ROOT / "made_up.py", text, ast.parse(text))]


def test_long_body_is_found_by_its_place() -> None:
    assert long_bodies(source(LONG_BODY)).worst == ["made_up.py:1 41"]


def test_docstring_does_not_count_as_body() -> None:
    documented = LONG_BODY.replace("    x = 1\n", '    """Say."""\n', 1)

    assert long_bodies(source(documented)).kept


@pytest.mark.parametrize(
    "caught",
    ["except:", "except Exception:", "except BaseException as e:", "except (A, Exception):"],
)
def test_broad_except_is_found(caught: str) -> None:
    assert broad_excepts(source(f"try:\n    f()\n{caught}\n    g()")).worst == ["made_up.py:3"]


def test_named_except_is_not_broad() -> None:
    assert not broad_excepts(source("try:\n    f()\nexcept (A, B):\n    g()")).worst


def test_except_that_cleans_up_and_raises_on_is_not_broad() -> None:
    assert not broad_excepts(
        source("try:\n    f()\nexcept BaseException:\n    g()\n    raise")
    ).worst


@pytest.mark.parametrize(
    "mocking",
    [
        "Mock()",
        "mock.AsyncMock()",
        "patch('a.b')",
        "mock.patch.object(a, 'b')",
        "monkeypatch.setattr(a, 'b', c)",
    ],
)
def test_mock_is_found(mocking: str) -> None:
    assert mocks(source(f"def test_x():\n    {mocking}")).worst == ["made_up.py:2"]


@pytest.mark.parametrize("call", ["monkeypatch.setenv('A', 'b')", "client.patch('/api/x', {})"])
def test_environment_and_http_are_no_mocks(call: str) -> None:
    assert not mocks(source(f"def test_x():\n    {call}")).worst


def test_paths_are_told_from_the_root() -> None:
    assert source("")[0].at(1) == str(Path("made_up.py:1"))
