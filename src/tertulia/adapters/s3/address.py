"""Addresses of places in S3: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`."""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from tertulia.kit.errors import Kind, TertuliaError

BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
KNOWN: Final = frozenset({"endpoint", "region"})


class S3AddressError(TertuliaError):
    """An address in S3 is s3://BUCKET/PREFIX, then ?endpoint=https://HOST if it is not Amazon's."""

    code = "s3_address_invalid"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`prefix` has no slash at its ends; `endpoint` and `region` may be empty."""

    bucket: str
    prefix: str
    endpoint: str
    region: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """S3AddressError when it is none."""
        parts = urlsplit(url)
        asked = parse_qs(parts.query, keep_blank_values=True)
        endpoint, region = (asked.get(name, [""])[-1] for name in ("endpoint", "region"))
        strange = parts.scheme != "s3" or parts.fragment or set(asked) - KNOWN
        if strange or not BUCKET.fullmatch(parts.netloc) or not _is_base(endpoint):
            raise S3AddressError
        prefix = parts.path.strip("/")
        return cls(bucket=parts.netloc, prefix=prefix, endpoint=endpoint, region=region)


def _is_base(endpoint: str) -> bool:
    """Whether it is empty or scheme, host and port: what signs in has no place in it."""
    return not endpoint or re.fullmatch(r"https?://[^\s/@?#]+/?", endpoint) is not None
