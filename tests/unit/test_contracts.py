"""The import contracts of pyproject.toml break when somebody breaks them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

TRESPASSES: Final = {
    "layers": ("domain/trespass.py", "import tertulia.ports.store"),
    "roles": ("roles/relay/trespass.py", "import tertulia.roles.chat.role"),
    "adapters": ("adapters/sql/trespass.py", "import tertulia.adapters.keyfile"),
    "protected": ("roles/relay/trespass.py", "import tertulia.adapters.sql"),
    "drivers": ("roles/relay/trespass.py", "def late():\n    import sqlite3"),
    "web-framework": ("domain/trespass.py", "import fastapi"),
    "cycles": ("domain/ids.py", "import tertulia.domain.messages"),
}


def lint(source: Path, contract: str) -> str:
    """Run one contract over the package in `source`."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--no-cache",
            f"--config={ROOT / 'pyproject.toml'}",
            f"--contract={contract}",
        ],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("contract", TRESPASSES)
def test_trespass_breaks_its_contract(contract: str, tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "src" / "tertulia",
        tmp_path / "tertulia",
        ignore=shutil.ignore_patterns("page", "__pycache__"),
    )
    place, line = TRESPASSES[contract]
    with (tmp_path / "tertulia" / place).open("a") as file:
        file.write(f"\n{line}\n")

    assert "1 broken" in lint(tmp_path, contract)


def test_every_contract_has_its_trespass() -> None:
    declared = re.findall(r'^id = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert set(declared) == set(TRESPASSES)


def test_new_package_must_be_given_its_layer(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src" / "tertulia", tmp_path / "tertulia")
    (tmp_path / "tertulia" / "stray.py").touch()

    assert "tertulia.stray" in lint(tmp_path, "layers")
