"""Where the master key comes from."""

from pathlib import Path
from typing import ClassVar

from pydantic import SecretStr

from tertulia.kit.settings import Settings


class MasterKeySettings(Settings):
    """The key that protects all others."""

    section: ClassVar[str] = "master"

    key: SecretStr = SecretStr("")
    """The key itself (32 bytes in base64 or hexadecimal, or the text of a key file), in place of
    a file."""

    file: Path | None = None
    """The key file; by default `master.key` in the home."""
