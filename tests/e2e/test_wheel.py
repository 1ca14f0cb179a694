"""The wheel is the product: it installs by the lock, starts, carries the page and stays small."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tertulia import __version__
from tests.e2e.server import Server

ROOT: Final = Path(__file__).parents[2]
UV: Final = Path(sys.executable).with_name("uv")
MOST_PACKAGES: Final = 60
MOST_BYTES: Final = 250_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as it is released: a source archive of the tree, and the wheel from that archive."""
    out = tmp_path_factory.mktemp("dist")
    # The build's own needs are in this environment already.
    run("build", "--no-build-isolation", "--out-dir", str(out), str(ROOT))
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and what it needs, in the locked versions."""
    home = tmp_path_factory.mktemp("installed")
    environment = home / "venv"
    needed = home / "needed.txt"
    run("venv", "--python", sys.executable, str(environment))
    run(
        *("pip", "compile", "--quiet", "--generate-hashes", "--python", sys.executable),
        *("--constraint", str(ROOT / "requirements" / "run.lock")),
        *("--output-file", str(needed), str(ROOT / "pyproject.toml")),
    )
    into = ("--python", str(environment / "bin" / "python"))
    run("pip", "install", *into, "--require-hashes", "-r", str(needed))
    run("pip", "install", *into, "--no-deps", str(wheel))
    return environment


def run(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [UV, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_wheel_carries_the_page_and_its_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

        assert "tertulia/py.typed" in names
        assert b"<script" in archive.read("tertulia/page/index.html")
        assert any(name.startswith("tertulia/page/assets/") for name in names)


def test_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}

    assert tops == {"tertulia", f"tertulia-{__version__}.dist-info"}


def test_installed_program_says_its_version(installed: Path) -> None:
    said = subprocess.run(
        [installed / "bin" / "tertulia", "--version"], capture_output=True, text=True, check=True
    )

    assert said.stdout == f"{__version__}\n"


def test_without_the_embedded_runtime_it_starts_and_says_what_to_install(
    installed: Path, tmp_path: Path
) -> None:
    with (
        Server(tmp_path / "home", model="embedded", program=installed / "bin" / "python") as server,
        server.token_client() as program,
    ):
        assert program.get("/ready").json()["missing"].keys() == {"model"}
        models = program.get("/v1/models")
        page = program.get("/")
    [said] = server.errors
    assert "tertulia[embedded]" in said
    assert "--model" in said
    assert models.status_code == 503
    assert models.json()["error"]["code"] == "no_runtime"
    assert page.status_code == 200


def test_core_stays_small(installed: Path) -> None:
    packages = run("pip", "list", "--python", str(installed / "bin" / "python"), "--format=freeze")
    site = next((installed / "lib").glob("python*/site-packages"))
    size_bytes = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())

    assert len(packages.splitlines()) <= MOST_PACKAGES
    assert size_bytes <= MOST_BYTES
