"""How S3 is reached, whatever bucket an address names."""

from typing import ClassVar

from pydantic import Field, SecretStr

from tertulia.kit.settings import Settings

MIB = 1024 * 1024


class S3Settings(Settings):
    """Who we are at S3, and how patient. What is empty is looked for where Amazon's own tools look:
    `AWS_ACCESS_KEY_ID` and the like, then the identity of the machine or the pod."""

    section: ClassVar[str] = "s3"

    access_key_id: str = ""
    """The name of the key."""

    secret_access_key: SecretStr = SecretStr("")
    """The key itself."""

    session_token: SecretStr = SecretStr("")
    """What a temporary key needs besides."""

    region: str = ""
    """Of the buckets; an address may name another. Without any it is `us-east-1`."""

    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """How long S3 may be silent, and how long one part may take to go up."""

    retry_s: float = Field(default=30.0, ge=0, le=240)
    """For how long a request that failed is made again."""

    part_bytes: int = Field(default=8 * MIB, ge=5 * MIB, le=1024 * MIB)
    """What is larger goes up in parts of this size, at most 10,000 of them."""

    parts_at_once: int = Field(default=3, ge=1, le=16)
    """How many parts of one blob go up at the same time; each is held in memory."""
