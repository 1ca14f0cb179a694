"""UUIDv7 identifiers (RFC 9562, section 5.7): they sort by the time they were made."""

import os
import time
import uuid


def new_id() -> str:
    """A new UUIDv7 in its canonical text form."""
    unix_ms = time.time_ns() // 1_000_000
    value = (unix_ms & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_id(text: str) -> str:
    """The canonical form of any UUID text; ValueError when it is none."""
    return str(uuid.UUID(text))
