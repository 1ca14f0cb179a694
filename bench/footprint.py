"""What an installation of the core takes: packages and bytes."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import Figure, at_most

ROOT = Path(__file__).parent.parent


def measure() -> list[Figure]:
    """The built wheel, without extras, in a virtual environment of its own."""
    place = Path(tempfile.mkdtemp(prefix="tertulia-bench-"))
    uv = str(Path(sys.executable).parent / "uv")
    try:
        run(uv, "build", "--quiet", "--wheel", "--out-dir", str(place), str(ROOT))
        (wheel,) = place.glob("*.whl")
        run(uv, "venv", "--quiet", "--python", sys.executable, str(place / "venv"))
        python = str(place / "venv/bin/python")
        run(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, str(wheel))
        listed = run(uv, "pip", "list", "--format", "freeze", "--python", python)
        return [
            at_most(
                "installed size",
                size_mb(place / "venv"),
                "MB",
                250,
                peers="Open WebUI 2,917 MB, LiteLLM 742 MB",
                note="bytecode included",
            ),
            at_most(
                "packages",
                len(listed.splitlines()),
                "",
                60,
                peers="Open WebUI 243, LiteLLM 119",
            ),
        ]
    finally:
        shutil.rmtree(place)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def size_mb(root: Path) -> float:
    """Bytes on disk, links not followed."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_blocks * 512 for path in files) / 1e6
