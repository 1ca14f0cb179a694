"""What every test may ask for."""

import os
from collections.abc import Callable

import pytest

Requires = Callable[[object, str], None]


@pytest.fixture(scope="session")
def requires() -> Requires:
    """`requires(found, what)`: go on when `found` is true. Otherwise the test skips, saying `what`
    is missing; in CI (`CI=true`) it fails, so that nothing stays untested unnoticed.
    """
    in_ci = os.environ.get("CI", "").lower() in {"1", "true"}

    def check(found: object, what: str) -> None:
        if found:
            return
        if in_ci:
            pytest.fail(f"CI needs {what}")
        pytest.skip(f"needs {what}")

    return check
