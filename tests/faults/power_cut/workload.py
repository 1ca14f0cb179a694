"""Talks to a store until it is done, and notes what the store acknowledged.

Run under the recorder: `python -m tests.faults.power_cut.workload DATABASE KEYRING LOG TURNS`. The
notes go into the recorder's log itself, so that a cut of the log cuts both in the same place.
"""

import asyncio
import json
import os
import random
import struct
import sys
from datetime import timedelta
from pathlib import Path

from tertulia.adapters.keyfile import Keyring, MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author, Message, Status
from tertulia.kit.clock import SystemClock
from tertulia.ports.store import MessageChange, Store, Tx
from tests.ports.stores import conversation, message, turn_requested

PEOPLE = 6
LEASE = timedelta(minutes=1)


class Notes:
    """Appends to the recorder's log."""

    def __init__(self, log: Path) -> None:
        self._file = os.open(log, os.O_WRONLY | os.O_APPEND)

    def intend(self, **what: str) -> None:
        self._write(b"I", what)

    def acknowledge(self, **what: str | int) -> None:
        self._write(b"A", what)

    def _write(self, kind: bytes, what: object) -> None:
        data = json.dumps(what).encode()
        os.write(self._file, struct.pack("<cHQI", kind, 0, 0, len(data)) + data)


class Person:
    """Has conversations, one turn after the other."""

    def __init__(self, store: Store, notes: Notes, name: str) -> None:
        self._store = store
        self._notes = notes
        self._random = random.Random(name)  # noqa: S311  to be repeated, not to be secret
        self._name = name
        self._leaf: MessageId | None = None

    async def talk(self, turns: int) -> None:
        cid = await self._begin()
        for turn in range(turns):
            if turn % 9 == 8:
                if turn % 2:
                    await self._erase(cid)
                cid = await self._begin()
            await self._turn(cid)

    async def _begin(self) -> ConversationId:
        owner = await self._store.write(lambda tx: tx.accounts.owner())
        made = conversation(owner.id)
        await self._store.write(lambda tx: tx.conversations.create(made))
        self._notes.acknowledge(fact="made", cid=made.id)
        self._leaf = None
        return made.id

    async def _erase(self, cid: ConversationId) -> None:
        self._notes.intend(cid=cid)
        await self._store.write(lambda tx: tx.conversations.erase(cid))
        self._notes.acknowledge(fact="erased", cid=cid)

    async def _turn(self, cid: ConversationId) -> None:
        topic = f"turns {self._name}"
        text = self._text()

        def request(tx: Tx) -> tuple[Message, Message, str]:
            said = tx.messages.append(message(cid, self._leaf, text=text))
            new = message(cid, said.id, author=Author.ASSISTANT, status=Status.QUEUED, text="")
            reply = tx.messages.append(new)
            tx.conversations.touch(cid, reply.id)
            return said, reply, tx.outbox.add(topic, cid, turn_requested())

        said, reply, sent = await self._store.write(request)
        self._leaf = reply.id
        self._notes.acknowledge(fact="said", cid=cid, mid=said.id, seq=said.seq, text=text)
        self._notes.acknowledge(fact="sent", id=sent)
        await self._write_reply(reply)
        await self._settle(topic)

    async def _write_reply(self, reply: Message) -> None:
        cid, mid = reply.conversation_id, reply.id
        await self._store.write(
            lambda tx: tx.messages.change(cid, mid, MessageChange(status=Status.STREAMING))
        )
        text = ""
        for _ in range(3):
            piece = self._text()
            await self._checkpoint(reply, len(text), piece)
            text += piece
            self._notes.acknowledge(fact="grown", cid=cid, mid=mid, text=text)
        done = MessageChange(epoch=1, status=Status.COMPLETE)
        await self._store.write(lambda tx: tx.messages.change(cid, mid, done))
        self._notes.acknowledge(fact="finished", cid=cid, mid=mid, text=text)

    async def _checkpoint(self, reply: Message, offset: int, text: str) -> None:
        await self._store.write(
            lambda tx: tx.messages.checkpoint(
                reply.conversation_id, reply.id, epoch=1, offset=offset, text=text
            )
        )

    async def _settle(self, topic: str) -> None:
        def handle(tx: Tx) -> list[str]:
            taken = tx.queue.take([topic], limit=9, lease=LEASE)
            for held in taken:
                tx.inbox.accept("handler", held.id)
                tx.queue.settle(held.id, held.fence, "done")
            return [held.id for held in taken]

        for settled in await self._store.write(handle):
            self._notes.acknowledge(fact="settled", id=settled)

    def _text(self) -> str:
        size = self._random.choice([5, 50, 500, 5000])
        return "".join(self._random.choices("abcdefgh ", k=size))


async def main(database: Path, vault: MemoryVault, notes: Notes, turns: int) -> None:
    for life in range(2):  # the second one begins where the first was closed
        async with (
            open_sqlite_store(database, vault, MemorySignals(), SystemClock()) as store,
            asyncio.TaskGroup() as people,
        ):
            for number in range(PEOPLE):
                person = Person(store, notes, f"{life}.{number}")
                people.create_task(person.talk(turns))


if __name__ == "__main__":
    known = Keyring.from_text(Path(sys.argv[2]).read_text("ascii"))
    work = main(Path(sys.argv[1]), MemoryVault(known), Notes(Path(sys.argv[3])), int(sys.argv[4]))
    asyncio.run(work)
