"""Server-sent events, however the network cuts them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.kit.sse import MAX_EVENT_BYTES, EventTooLargeError, Payloads


def payloads_of(*pieces: bytes) -> list[bytes]:
    reader = Payloads()
    found = [payload for piece in pieces for payload in reader.feed(piece)]
    return found + reader.end()


@given(st.data())
def test_cuts_do_not_matter(data: st.DataObject) -> None:
    end = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    said = data.draw(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1))
    )
    said = [text for text in said if not text.startswith(" ")]
    stream = b"".join(b": note" + end + b"data: " + t.encode() + end + end for t in said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert payloads_of(*pieces) == [text.encode() for text in said]


def test_lines_of_one_event_are_joined() -> None:
    assert payloads_of(b"data: a\ndata: b\n\ndata:c\n\n") == [b"a\nb", b"c"]


def test_comments_and_other_fields_are_dropped() -> None:
    assert payloads_of(b": ping\nevent: x\nid: 7\nretry: 1\ndata: a\n\n: ping\n\n") == [b"a"]


def test_error_field_counts_as_data() -> None:
    assert payloads_of(b'error: {"code":1}\n\n') == [b'{"code":1}']


def test_last_event_counts_without_its_empty_line() -> None:
    assert payloads_of(b"data: a") == [b"a"]
    assert payloads_of(b"data: a\n") == [b"a"]


def test_event_without_end_is_refused() -> None:
    reader = Payloads()
    reader.feed(b"data: " + bytes(MAX_EVENT_BYTES - 100))
    with pytest.raises(EventTooLargeError):
        reader.feed(bytes(200))
