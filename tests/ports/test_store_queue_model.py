"""The queue beside a model that anyone can understand."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tertulia.kit.ids import new_id
from tertulia.ports.store import Settlement
from tests.ports.store_machines import StoreMachine, run_machine
from tests.ports.stores import World, turn_requested

LEASE: Final = timedelta(seconds=30)


@dataclass
class Entry:
    """What the model knows of a message."""

    id: str
    topic: str
    key: str
    fence: int = 0
    due_s: float = 0
    leased: bool = False
    state: str = "ready"


class QueueMachine(StoreMachine):
    """The queue beside a list that anyone can understand."""

    @initialize()
    def begin(self) -> None:
        self.tag = new_id()  # topics of this run alone
        self.entries = list[Entry]()
        self.now_s = 0.0

    @rule(topic=st.sampled_from("ab"), key=st.sampled_from("xyz"))
    def add(self, topic: str, key: str) -> None:
        name = self.tag + topic
        added = self.write(lambda tx: tx.outbox.add(name, key, turn_requested()))
        self.entries.append(Entry(added, name, key, due_s=self.now_s))

    @rule(topics=st.sets(st.sampled_from("ab"), min_size=1), limit=st.integers(1, 4))
    def take(self, topics: set[str], limit: int) -> None:
        names = [self.tag + topic for topic in sorted(topics)]
        taken = self.write(lambda tx: tx.queue.take(names, limit=limit, lease=LEASE))
        expected = [e for e in self.entries if e.topic in names and self._is_first_and_due(e)]
        assert [m.id for m in taken] == [e.id for e in expected[:limit]]
        for entry, message in zip(expected, taken, strict=False):
            self._lease(entry, message.fence)

    @rule()
    def take_of_any_topic(self) -> None:
        taken = self.write(lambda tx: tx.queue.take_any(limit=10_000, lease=LEASE))
        expected = [e for e in self.entries if self._is_first_and_due(e)]
        assert [m.id for m in taken if m.topic.startswith(self.tag)] == [e.id for e in expected]
        fences = {message.id: message.fence for message in taken}
        for entry in expected:
            self._lease(entry, fences[entry.id])

    @rule(
        choice=st.integers(0, 50),
        stale=st.booleans(),
        settlement=st.sampled_from(["done", "retry", "dead"]),
        delay_s=st.sampled_from([0, 10, 100]),
    )
    def settle(self, choice: int, stale: bool, settlement: Settlement, delay_s: int) -> None:  # noqa: FBT001
        if not self.entries:
            return
        entry = self.entries[choice % len(self.entries)]
        fence = entry.fence - int(stale)
        delay = timedelta(seconds=delay_s)
        settled = self.write(lambda tx: tx.queue.settle(entry.id, fence, settlement, delay=delay))
        assert settled == (entry.leased and entry.state == "ready" and not stale)
        if settled:
            entry.leased = False
            entry.state = "ready" if settlement == "retry" else settlement
            entry.due_s = self.now_s + delay_s

    @rule(seconds=st.sampled_from([1, 15, 30, 120]))
    def pass_time(self, seconds: int) -> None:
        self.world.clock.pass_time(timedelta(seconds=seconds))
        self.now_s += seconds

    @invariant()
    def every_message_is_somewhere(self) -> None:
        if not hasattr(self, "entries"):
            return
        depths = self.read(lambda tx: tx.queue.depths())
        mine = [d for d in depths if d.topic.startswith(self.tag)]
        assert sum(d.waiting + d.leased for d in mine) == self._count("ready")
        assert sum(d.dead for d in mine) == self._count("dead")

    def _lease(self, entry: Entry, fence: int) -> None:
        assert fence > entry.fence, "a later holder has a larger fence"
        entry.fence, entry.leased = fence, True
        entry.due_s = self.now_s + LEASE.total_seconds()

    def _count(self, state: str) -> int:
        return sum(entry.state == state for entry in self.entries)

    def _is_first_and_due(self, entry: Entry) -> bool:
        ahead = self.entries[: self.entries.index(entry)]
        return (
            entry.state == "ready"
            and entry.due_s <= self.now_s
            and not any(
                (e.topic, e.key, e.state) == (entry.topic, entry.key, "ready") for e in ahead
            )
        )


async def test_the_queue_behaves_like_its_model(world: World) -> None:
    await run_machine(QueueMachine, world, examples=60, steps=30)
