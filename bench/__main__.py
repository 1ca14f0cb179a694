"""`python -m bench [NAME…]`: measure, print a table, and keep the figures as JSON."""

import argparse
import importlib
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench.figures import Figure, table

NAMES: Final = (
    "start",
    "footprint",
    "relay",
    "turns",
    "history",
    "reads",
    "store",
    "postgresql",
    "redis",
    "recent_turns",
    "bus",
    "gateway",
    "scale",
    "streams",
    "resume",
    "embedded",
)
PEERS: Final = ("litellm",)
"""Measured when asked for: they are downloaded."""
RESULTS: Final = Path(__file__).parent / "results"


def main() -> int:
    known = ", ".join((*NAMES, *PEERS))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {known}; by default all but the last"
    )
    names = parser.parse_args().names or NAMES
    unknown = sorted(set(names) - {*NAMES, *PEERS})
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; choose from {known}")
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        measured: list[Figure] = importlib.import_module(f"bench.{name}").measure()
        figures += measured
        keep(name, measured)
    print(table(figures))
    return 1 if any(figure.met is False for figure in figures) else 0


def keep(name: str, figures: list[Figure]) -> None:
    """The figures of one run, with the machine that they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    result = {
        "at": datetime.now(UTC),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "figures": figures,
    }
    (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))


if __name__ == "__main__":
    raise SystemExit(main())
