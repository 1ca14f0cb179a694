"""Where the store is, and how patient it is."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class StoreSettings(Settings):
    """The database."""

    section: ClassVar[str] = "store"

    url: str = Field(default="", pattern=r"^$|^sqlite:///.+|^postgres(ql)?://\S+$")
    """`sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; empty is `tertulia.db`
    in the home."""

    busy_timeout_s: float = Field(default=5.0, ge=0, le=600)
    """How long to wait while another process holds the database, or what is wanted of it."""

    writers: int = Field(default=8, ge=1, le=100)
    """PostgreSQL: how many connections of a process write, at most."""

    readers: int = Field(default=4, ge=1, le=100)
    """PostgreSQL: how many connections of a process read, at most."""

    connect_timeout_s: int = Field(default=5, ge=2, le=600)
    """PostgreSQL: how long to wait for a connection."""

    answer_timeout_s: float = Field(default=15.0, gt=0, le=3600)
    """PostgreSQL: how long to wait for the answer to one statement."""

    @property
    def shared(self) -> bool:
        """Whether several processes, on several machines, may serve the database at once."""
        return self.url.startswith("postgres")

    def database(self, home: Path) -> Path:
        """The file that `url` means."""
        if self.url:
            return Path(self.url.removeprefix("sqlite:///")).expanduser().absolute()
        return home.expanduser().absolute() / "tertulia.db"
