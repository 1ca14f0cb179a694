"""The home: made for its owner alone, served by one process at a time."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tertulia.assembly.home import HomeError, HomeInUseError, holder, lock_home, open_home

HOLD = """
import sys
from pathlib import Path
from tertulia.assembly.home import lock_home, open_home
with lock_home(open_home(Path(sys.argv[1]))) as lock:
    lock.announce("http://127.0.0.1:1")
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(home: Path) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLD, str(home)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    home = open_home(tmp_path / "deep" / "home")

    assert home.path.stat().st_mode & 0o777 == 0o700


def test_a_file_in_the_place_of_the_home_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")

    with pytest.raises(HomeError, match=r"^The home .* cannot be made \(file exists\)\.$"):
        open_home(tmp_path / "home")


def test_a_read_only_file_system_is_one_sentence() -> None:
    with pytest.raises(HomeError, match="The home"):
        open_home(Path("/proc/tertulia"))


def test_a_second_process_is_told_who_holds_the_home(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    with another_process(tmp_path) as process:
        with pytest.raises(HomeInUseError) as caught, lock_home(home):
            pass
        assert f"process {process.pid} (http://127.0.0.1:1)" in caught.value.message


def test_the_holder_is_known_while_it_lives_and_not_longer(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    assert holder(home) is None
    with another_process(tmp_path) as process:
        held = holder(home)
        assert held is not None
        assert (held.pid, held.url) == (process.pid, "http://127.0.0.1:1")
    assert holder(home) is None


def test_a_killed_process_leaves_the_home_free(tmp_path: Path) -> None:
    with another_process(tmp_path):
        pass
    with lock_home(open_home(tmp_path)):
        assert holder(open_home(tmp_path)) is not None
