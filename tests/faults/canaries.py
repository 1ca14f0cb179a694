"""Marks that people write wherever they can, and that may then be found nowhere."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from tests.e2e.api import Api, path_of

MARK: Final = "CanaryInTheMine"


async def sing(api: Api, messages: int) -> str:
    """Write canaries wherever a person can write; the conversation's id."""
    title = f"{MARK} title"
    conversation = await api.create_conversation(str(uuid4()), title=title)
    path = f"/api/conversations/{conversation.id}"
    for number in range(messages):
        text = f"{MARK} {number}"
        turn = await api.send_turn(conversation.id, str(uuid4()), text, model="echo/40/1")
        reply = await api.finished(turn.reply)
        assert MARK in (reply.text or "")
        feedback = {"rating": "up", "comment": f"{MARK} comment"}
        await api.request("PUT", f"{path_of(reply)}/feedback", feedback)
    await api.request("PATCH", path, {"title": f"{MARK} renamed"})
    await refused(api, f"{path}/turns", {"id": MARK, "text": MARK, MARK: MARK})
    await refused(api, f"{path}/turns?{MARK}={MARK}", {"id": [MARK]})
    return conversation.id


async def refused(api: Api, path: str, body: object) -> None:
    async with api.http.post(api.base + path, json=body, headers=api.headers) as answer:
        assert answer.status == 400


def files(*roots: Path) -> Iterator[Path]:
    for root in roots:
        yield from (path for path in [root, *root.rglob("*")] if path.is_file())


def found(paths: Iterable[Path], mark: str = MARK) -> Iterator[str]:
    """Where a canary is, in whatever form."""
    for path in paths:
        content = path.read_bytes()
        for form in forms(mark):
            if form in content:
                yield f"{path}: {form!r}"


def forms(mark: str = MARK) -> list[bytes]:
    """The mark as text, as UTF-16, in hexadecimal and turned round."""
    plain = mark.encode()
    return [plain, mark.encode("utf-16-le"), plain.hex().encode(), plain[::-1]]
