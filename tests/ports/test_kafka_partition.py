"""How far a partition is done, and how its bookmark says so."""

from collections.abc import Sequence
from dataclasses import dataclass

from tertulia.adapters.kafka.partition import ALONE_AFTER, SPAN, WINDOW, Partition


@dataclass(frozen=True)
class Fetched:
    offset: int
    key: bytes | None = None
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes]] = ()


def records(*offsets: int) -> list[Fetched]:
    return [Fetched(offset) for offset in offsets]


def begun(partition: Partition) -> list[tuple[int, int]]:
    return [(record.offset, returns) for record, returns in partition.begin()]


def test_the_bookmark_stands_below_what_is_undone_and_never_above_a_hole() -> None:
    partition = Partition(head=7, returns=0)
    partition.bring(records(7, 8, 9))
    assert begun(partition) == [(7, 0), (8, 0), (9, 0)]
    partition.finish(8)
    partition.finish(9)
    assert partition.bookmark() == (7, "1")
    partition.finish(7)
    assert partition.bookmark() == (10, "0")


def test_what_goes_back_in_order_is_no_return() -> None:
    partition = Partition(head=0, returns=1)
    partition.bring(records(0, 1))
    begun(partition)
    assert partition.bookmark() == (0, "2")
    assert partition.bookmark(handed_back=True) == (0, "1")
    partition.finish(0)
    assert partition.bookmark() == (1, "1")
    assert partition.bookmark(handed_back=True) == (1, "0")


def test_an_untouched_partition_keeps_its_bookmark() -> None:
    assert Partition(head=3, returns=2).bookmark() == (3, "2")


def test_what_came_back_again_is_handled_alone_and_the_only_suspect() -> None:
    partition = Partition(head=0, returns=ALONE_AFTER)
    partition.bring(records(0, 1, 2))
    assert begun(partition) == [(0, ALONE_AFTER)]
    assert partition.is_full
    assert begun(partition) == []
    partition.finish(0)
    assert begun(partition) == [(1, 0), (2, 0)]
    assert not partition.is_full


def test_no_more_are_in_hand_than_a_window() -> None:
    partition = Partition(head=0, returns=0)
    partition.bring(records(*range(WINDOW + 1)))
    assert len(begun(partition)) == WINDOW
    partition.finish(5)
    assert begun(partition) == [(WINDOW, 0)]


def test_no_more_come_again_after_a_crash_than_a_span() -> None:
    partition = Partition(head=0, returns=0)
    for offset in range(SPAN):
        partition.bring(records(offset))
        assert begun(partition) == [(offset, 0)]
        if offset:
            partition.finish(offset)
    partition.bring(records(SPAN))
    assert begun(partition) == []
    partition.finish(0)
    assert begun(partition) == [(SPAN, 0)]


def test_a_partition_that_begins_anew_is_noticed() -> None:
    partition = Partition(head=5, returns=0)
    assert partition.bring(records(5, 7))  # compaction leaves gaps
    assert not partition.bring(records(0))
    begun(partition)
    assert not partition.bring(records(7))
