"""A server whose older texts are in Cassandra, and what it has where."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.e2e.server import Server
from tests.servers.process import wait_until

WITHIN_S = 30.0


def with_history(url: str, **more: str) -> Mapping[str, str]:
    """Variables for a server that moves everything at once."""
    return {
        "TERTULIA_MESSAGES_URL": url,
        "TERTULIA_MESSAGES_MOVE_AFTER_S": "0",
        "TERTULIA_MESSAGES_ERASE_AFTER_S": "0",
        "TERTULIA_RELAY_MOVE_EVERY_S": "0.05",
        **more,
    }


def in_store(home: Path) -> int:
    """How many texts the database has itself."""
    return _count(home, "SELECT count(*) FROM messages WHERE moved IS NULL")


def moved(home: Path) -> bool:
    """Whether all texts are moved in a while."""
    return wait_until(lambda: in_store(home) == 0, WITHIN_S)


def erased(home: Path) -> bool:
    """Whether nothing is left to be erased in the log in a while."""
    return wait_until(lambda: _count(home, "SELECT count(*) FROM erasures") == 0, WITHIN_S)


def export(server: Server, conversation: str) -> Any:
    """All of a conversation, but the time of the export."""
    with server.token_client() as program:
        answer = program.get(f"/api/conversations/{conversation}/export")
    assert answer.status_code == 200, answer.text
    document = answer.json()
    document.pop("exported_at", None)
    return document


def _count(home: Path, query: str) -> int:
    with closing(sqlite3.connect(home / "tertulia.db")) as raw:
        return raw.execute(query).fetchone()[0]
