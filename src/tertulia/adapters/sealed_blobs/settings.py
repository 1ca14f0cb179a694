"""Where blobs are."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class BlobsSettings(Settings):
    """What is too large for the database, and backups that are given no other place. All of it is
    encrypted before it leaves the process."""

    section: ClassVar[str] = "blobs"

    url: str = Field(default="", pattern=r"^$|^file:///.+|^s3://[a-z0-9].+")
    """`file:///FOLDER` or `s3://BUCKET/PREFIX`, with `?endpoint=http://HOST:PORT` where that is not
    Amazon's; empty is the folder `blobs` in the home. Who we are at S3 stands in [s3]."""

    def place(self, home: Path) -> str:
        """The URL in force."""
        return self.url or (home.expanduser().absolute() / "blobs").as_uri()
