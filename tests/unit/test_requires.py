"""What a test needs and does not find: a skip on a desk, a failure in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

CONFTEST: Final = Path(__file__).parents[1] / "conftest.py"
A_TEST: Final = "def test_browser(requires):\n    requires(None, 'a browser')\n"


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", "1 skipped"), ("false", "1 skipped"), ("true", "1 failed")]
)
def test_missing_server_skips_on_a_desk_and_fails_in_ci(
    ci: str, outcome: str, tmp_path: Path
) -> None:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_it.py").write_text(A_TEST)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsf", str(tmp_path)],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(CONFTEST.parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome in done.stdout
    assert "a browser" in done.stdout
