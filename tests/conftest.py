"""What every test may ask for."""

import os
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import settings

IN_CI: Final = os.environ.get("CI", "").lower() in {"1", "true"}

# No test may fail because the machine is slow. In CI the same examples are tried in every run; on
# a desk new ones are, so that something is found some day.
settings.register_profile("tertulia", deadline=None, derandomize=IN_CI, print_blob=True)
settings.load_profile("tertulia")

pytest_plugins = ["tests.servers.fixtures"]

Requires = Callable[[object, str], None]


@pytest.fixture(scope="session")
def requires() -> Requires:
    """`requires(found, what)`: go on when `found` is true. Otherwise the test skips, saying `what`
    is missing; in CI (`CI=true`) it fails, so that nothing stays untested unnoticed.
    """

    def check(found: object, what: str) -> None:
        if found:
            return
        if IN_CI:
            pytest.fail(f"CI needs {what}")
        pytest.skip(f"needs {what}")

    return check
