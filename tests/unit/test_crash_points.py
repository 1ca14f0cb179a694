"""The named places where a test can kill the process."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from tertulia.kit.crash_points import CRASH_POINTS, VARIABLE

SOURCE = Path(__file__).parents[2] / "src" / "tertulia"
PASSES = """
from tertulia.kit.crash_points import crash_point
for number in (1, 2, 3):
    crash_point("store.before_commit")
    crash_point("store.after_commit")
    print(number, flush=True)
"""


def run(armed: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PASSES],
        env={VARIABLE: armed},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_every_point_has_its_place_in_the_code() -> None:
    placed = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r'crash_point\("([^"]+)"\)', path.read_text("utf-8"))
    }
    assert placed == CRASH_POINTS


def test_an_armed_point_kills_without_unwinding() -> None:
    killed = run("store.after_commit")
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout == ""


def test_a_count_lets_the_first_passes_through() -> None:
    killed = run("store.after_commit:3")
    assert killed.returncode == -signal.SIGKILL
    assert killed.stdout == "1\n2\n"


def test_unarmed_nothing_happens() -> None:
    assert run("").stdout == "1\n2\n3\n"


def test_an_unknown_point_is_an_error() -> None:
    """A campaign that means to hit a place must not silently miss it."""
    refused = run("store.befor_commit")
    assert refused.returncode == 1
    assert "names no crash point" in refused.stderr
