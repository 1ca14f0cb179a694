"""What the store acknowledged before a cut, held against what is there after it."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tertulia.adapters.keyfile import Keyring, MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.domain.conversations import Conversation
from tertulia.domain.feed import Change, ChangeKind
from tertulia.domain.messages import Message, Status
from tertulia.kit.clock import SystemClock
from tertulia.ports.store import Tx
from tests.faults.power_cut.recording import Record

Fact = dict[str, Any]


class Ledger:
    """Follows the notes of the workload."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._leaving: set[str] = set()  # conversations that somebody began to erase

    def follow(self, record: Record) -> None:
        if record.kind == "A":
            self.facts.append(json.loads(record.data))
        elif record.kind == "I":
            self._leaving.add(json.loads(record.data)["cid"])

    def missing(self, found: "Found") -> list[Fact]:
        """Acknowledged facts that do not hold."""
        return [fact for fact in self.facts if not self._holds(fact, found)]

    def _holds(self, fact: Fact, found: "Found") -> bool:
        cid = fact.get("cid")
        if fact["fact"] == "erased":
            return cid not in found.conversations
        if cid in self._leaving and cid not in found.conversations:
            return True
        if "mid" in fact:
            message = found.messages.get(fact["mid"])
            return message is not None and _says(fact, message)
        if "id" in fact:
            state = found.outbox.get(fact["id"])
            return state == "done" if fact["fact"] == "settled" else state is not None
        return cid in found.conversations


def _says(fact: Fact, message: Message) -> bool:
    if fact["fact"] == "grown":
        return message.text.startswith(fact["text"])
    if fact["fact"] == "finished" and message.status is not Status.COMPLETE:
        return False
    return message.text == fact["text"] and message.seq == fact.get("seq", message.seq)


class Found:
    """Everything that is in a store; reading it proves that it can be read."""

    def __init__(self) -> None:
        self.conversations: dict[str, Conversation] = {}
        self.messages: dict[str, Message] = {}
        self.outbox: dict[str, str] = {}
        self.problems: list[str] = []

    def read(self, tx: Tx) -> None:
        owner = tx.accounts.owner()
        for held in tx.conversations.page(owner.id, archived=False, after=None, limit=10_000):
            self.conversations[held.id] = held
            messages = tx.messages.page(held.id, before=None, after=None, limit=10_000)
            self.messages.update({message.id: message for message in messages})
            if [message.seq for message in messages] != list(range(1, len(messages) + 1)):
                self.problems.append(f"numbers of {held.id} have gaps")
        changes: list[Change] = []
        while page := tx.feed.read(owner.id, after=len(changes), limit=1000).changes:
            changes += page
        if [change.seq for change in changes] != list(range(1, tx.feed.head(owner.id) + 1)):
            self.problems.append("numbers of the feed have gaps")
        told = {change.message_id or change.conversation_id for change in changes}
        if untold := {*self.messages, *self.conversations} - told:
            self.problems.append(f"the feed does not tell of {untold}")
        for change in changes:
            erased = change.kind is ChangeKind.CONVERSATION_ERASED
            if erased and change.conversation_id in self.conversations:
                self.problems.append("something erased is there")


async def found_in(database: Path, keyring: Keyring) -> tuple[Found, Sequence[str]]:
    """What there is, and its problems, by the real store opened on what a cut left."""
    found = Found()
    async with open_sqlite_store(
        database, MemoryVault(keyring), MemorySignals(), SystemClock()
    ) as store:
        await store.write(found.read)
        damage = await store.check()
    with closing(sqlite3.connect(database)) as raw:
        found.outbox = dict(raw.execute("SELECT id, state FROM outbox"))
    return found, [*damage, *found.problems]
