"""Saying something and finding it again; commands that succeed or refuse."""

from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from tests.e2e.server import Server, tertulia


def say(server: Server, conversation: str, text: str) -> list[str]:
    """All texts of the conversation, once the turn is answered."""
    with server.token_client() as program:
        program.post("/api/conversations", json={"id": conversation})
        answer = program.post(
            f"/api/conversations/{conversation}/turns",
            json={"id": str(uuid4()), "text": text},
            headers={"Accept": "text/event-stream"},
        )
        assert '"status":"complete"' in answer.text
        page = program.get(f"/api/conversations/{conversation}/messages")
        return [message["text"] for message in page.json()["items"]]


def done(*arguments: str, home: Path, variables: Mapping[str, str] | None = None) -> str:
    """What a command that succeeds says."""
    ended = tertulia(*arguments, home=home, variables=variables)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def refusal(*arguments: str, home: Path, variables: Mapping[str, str] | None = None) -> str:
    """The one sentence of a command that refuses."""
    ended = tertulia(*arguments, home=home, variables=variables)
    assert ended.returncode == 2, ended
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr
