"""Clients of one person who do everything in any order, while others follow the feed."""

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast
from uuid import uuid4

import httpx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.e2e.followers import Follower, PagingFollower, SocketFollower, Thing, fetch, head

CONVERGES_S: Final = 60.0  # only ends a test that would hang
FAST: Final = "echo/3/0"
SLOW: Final = "echo/200/30"
"""Goes on until it is stopped, while other things are done."""

Reply = tuple[str, str]
"""The ids of a conversation and of one of its replies."""

NOTHING: Final = cast("Any", multiple())

TEXTS: Final = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20
).filter(lambda text: bool(text.strip()))


class Clients(RuleBasedStateMachine):
    """Everything that changes what a person sees, by one client; two others follow the feed."""

    client: ClassVar[httpx.Client]
    conversations: Bundle[str] = Bundle("conversations")
    replies: Bundle[Reply] = Bundle("replies")

    @initialize()
    def follow(self) -> None:
        self.erased: set[str] = set()
        self.followers: list[Follower] = [SocketFollower(self.client), PagingFollower(self.client)]

    @rule(target=conversations, title=st.none() | TEXTS)
    def create(self, title: str | None) -> str:
        body = {"id": str(uuid4())} | ({} if title is None else {"title": title})
        first = self.call("POST", "/api/conversations", body)
        assert self.call("POST", "/api/conversations", body) == first
        return str(first["id"])

    @rule(
        conversation=conversations,
        change=st.one_of(
            st.fixed_dictionaries({"title": st.none() | TEXTS}),
            st.fixed_dictionaries({"pinned": st.booleans()}),
            st.fixed_dictionaries({"archived": st.booleans()}),
            st.fixed_dictionaries({"model": st.sampled_from([None, FAST])}),
        ),
    )
    def change(self, conversation: str, change: dict[str, Any]) -> None:
        self.call("PATCH", f"/api/conversations/{conversation}", change)

    @rule(
        target=replies,
        conversation=conversations,
        text=TEXTS,
        model=st.sampled_from([FAST, FAST, SLOW]),
    )
    def turn(self, conversation: str, text: str, model: str) -> Reply:
        return self.ask(conversation, {"text": text, "model": model})

    @rule(target=replies, reply=replies, text=TEXTS, first=st.booleans())
    def edit(self, reply: Reply, text: str, first: bool) -> Any:  # noqa: FBT001  drawn
        """A branch: beside the first message, or beside the one that a reply answers."""
        if self.is_gone(reply):
            return NOTHING
        conversation, reply_id = reply
        asked = self.message(conversation, self.message(conversation, reply_id)["parent_id"])
        parent = None if first else asked["parent_id"]
        return self.ask(conversation, {"text": text, "model": FAST, "parent_id": parent})

    @rule(target=replies, reply=replies)
    def regenerate(self, reply: Reply) -> Any:
        if self.is_gone(reply):
            return NOTHING
        body = {"id": str(uuid4()), "model": FAST}
        turn = self.call("POST", f"{path_of(reply)}/regenerate", body)
        return reply[0], str(turn["reply"]["id"])

    @rule(reply=replies)
    def stop(self, reply: Reply) -> None:
        if not self.is_gone(reply):
            self.call("POST", f"{path_of(reply)}/stop")

    @rule(reply=replies)
    def continue_(self, reply: Reply) -> None:
        """Allowed for a reply that was cut off; others are refused and stay as they are."""
        body = {"id": str(uuid4())}
        answer = self.client.post(f"{path_of(reply)}/continue", json=body)
        assert answer.status_code in ({404} if self.is_gone(reply) else {200, 201, 409}), (
            answer.text
        )

    @rule(
        reply=replies,
        rating=st.sampled_from(["up", "down"]),
        comment=st.just("") | TEXTS,
        clear=st.booleans(),
    )
    def rate(self, reply: Reply, rating: str, comment: str, clear: bool) -> None:  # noqa: FBT001
        if self.is_gone(reply):
            return
        path = f"{path_of(reply)}/feedback"
        self.call("PUT", path, {"rating": rating, "comment": comment})
        if clear:
            self.call("DELETE", path)

    @rule(reply=replies)
    def choose_branch(self, reply: Reply) -> None:
        if not self.is_gone(reply):
            self.call("PATCH", f"/api/conversations/{reply[0]}", {"leaf_id": reply[1]})

    @rule(conversation=consumes(conversations), target=conversations)
    def erase(self, conversation: str) -> Any:
        self.call("DELETE", f"/api/conversations/{conversation}")
        self.erased.add(conversation)
        return NOTHING

    @rule()
    def come_anew(self) -> None:
        """A client that starts over from a snapshot is in step as well."""
        self.followers.append(PagingFollower(self.client))

    @invariant()
    def state_plus_events_equals_a_fresh_fetch(self) -> None:
        for follower in getattr(self, "followers", []):
            converge(self.client, follower)

    def teardown(self) -> None:
        for follower in getattr(self, "followers", []):
            follower.close()
        for conversation_id in fetch(self.client)[0].conversations:
            self.call("DELETE", f"/api/conversations/{conversation_id}")

    def is_gone(self, reply: Reply) -> bool:
        """Whether it was erased, and then absent for every question."""
        if reply[0] in self.erased:
            assert self.client.get(path_of(reply)).status_code == httpx.codes.NOT_FOUND
            return True
        return False

    def ask(self, conversation: str, body: dict[str, Any]) -> Reply:
        body = {"id": str(uuid4()), **body}
        first = self.call("POST", f"/api/conversations/{conversation}/turns", body)
        again = self.call("POST", f"/api/conversations/{conversation}/turns", body)
        assert again["reply"]["id"] == first["reply"]["id"]
        return conversation, str(first["reply"]["id"])

    def message(self, conversation: str, message_id: str) -> Any:
        return self.call("GET", path_of((conversation, message_id)))

    def call(self, method: str, path: str, body: object = None) -> Any:
        answer = self.client.request(method, path, json=body)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None


def path_of(reply: Reply) -> str:
    return f"/api/conversations/{reply[0]}/messages/{reply[1]}"


def converge(client: httpx.Client, follower: Follower) -> None:
    """Once nothing changes between two looks at the head, both must know the same."""
    until = time.monotonic() + CONVERGES_S
    while True:
        before = head(client)
        fresh, order = fetch(client)
        followed = follower.state()
        if head(client) == followed.seq == before:
            break
        assert time.monotonic() < until, f"at {followed.seq}, {before - followed.seq} behind"
    assert followed.conversations == fresh.conversations
    different = differing(followed.messages, fresh.messages)
    assert not different, different
    assert {archived: followed.listed(archived=archived) for archived in order} == order


def differing(one: Mapping[str, Thing], other: Mapping[str, Thing]) -> list[tuple[Any, Any]]:
    """What is not the same in both, side by side."""
    ids = one.keys() | other.keys()
    return [(one.get(each), other.get(each)) for each in ids if one.get(each) != other.get(each)]


def run(client: httpx.Client, *, examples: int, steps: int) -> None:
    """So many lives of the clients, of so many steps each."""
    Clients.client = client
    with_settings = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        # Shrinking takes minutes against a real server, and shows little more than the steps do.
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Clients, settings=with_settings)
