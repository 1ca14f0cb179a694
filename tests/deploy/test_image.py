"""The image, as far as it can be held without an engine."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCKERFILE: Final = ROOT / "deploy" / "Dockerfile"
PROGRAMS: Final = Path(sys.executable).parent


def lint(file: Path) -> "subprocess.CompletedProcess[str]":
    command = [PROGRAMS / "hadolint", "--no-color", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_linter_has_nothing_to_say(tmp_path: Path) -> None:
    assert lint(DOCKERFILE).stdout == ""
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python\nRUN cd /tmp\n")
    assert lint(wrong).returncode == 1


def test_it_holds_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert named
    assert set(named[1].split(",")) == set(project["optional-dependencies"])


def test_it_runs_as_nobody_in_particular() -> None:
    last = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\S+)$", last, re.MULTILINE) == ["10001:10001"]
    assert last.index("\nUSER ") < last.index("\nENTRYPOINT ")


def test_what_it_is_built_from_makes_the_whole_wheel(tmp_path: Path) -> None:
    """Copied as the engine copies it, which leaves out what the ignore file says."""
    context = tmp_path / "context"
    context.mkdir()
    for name in taken():
        source = ROOT / name
        if source.is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "node_modules", "coverage", "dist")
            shutil.copytree(source, context / name, ignore=left_out)
        else:
            shutil.copy(source, context / name)
    command = [PROGRAMS / "uv", "build", "--wheel", "--no-build-isolation", "--out-dir", tmp_path]
    built = subprocess.run([*command, context], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert {"tertulia/__main__.py", "tertulia/page/index.html"} <= set(wheel.namelist())
    for name in re.findall(r"requirements/[\w.]+", DOCKERFILE.read_text()):
        assert (context / name).is_file()


def taken() -> list[str]:
    lines = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    return [line.removeprefix("!") for line in lines if line.startswith("!")]
