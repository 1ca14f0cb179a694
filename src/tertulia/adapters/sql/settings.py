"""Where the store is, and how patient it is."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class StoreSettings(Settings):
    """The database."""

    section: ClassVar[str] = "store"

    url: str = Field(default="", pattern=r"^$|^sqlite:///.+")
    """`sqlite:///PATH`; empty is `tertulia.db` in the home."""

    busy_timeout_s: float = Field(default=5.0, ge=0, le=600)
    """How long to wait while another process holds the database."""

    def database(self, home: Path) -> Path:
        """The file that `url` means."""
        if self.url:
            return Path(self.url.removeprefix("sqlite:///")).expanduser().absolute()
        return home.expanduser().absolute() / "tertulia.db"
