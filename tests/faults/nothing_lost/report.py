"""The account in words."""

from collections.abc import Iterator

from tests.faults.nothing_lost.verify import BATCH_MS, SERVING_BOUND_S, TEXT_BOUND_MS, Account

SHOWN = 20


def summary(account: Account) -> str:
    """What was done, what was promised, what was found."""
    return "\n".join(_lines(account)) + "\n"


def _lines(account: Account) -> Iterator[str]:
    yield (
        f"{account.turns} turns in {account.conversations} conversations ({account.erased} erased) "
        f"by {account.requests} requests; {account.kills} kills; {account.duration_s:.0f} s"
    )
    servers = ", ".join(f"{name} {count}" for name, count in account.kills_by_server.items())
    yield f"servers killed           {servers or 'none'}"
    replies = ", ".join(f"{count} {status}" for status, count in sorted(account.replies.items()))
    yield f"replies: {replies}"
    yield f"user messages lost       {account.lost}"
    yield f"visible duplicates       {account.duplicates}"
    yield f"order inversions         {account.inversions}"
    yield f"replies without an end   {account.unfinished}"
    yield f"replies of wrong text    {account.wrong_replies}"
    yield (
        f"text lost at most        {account.worst_text_lost_seen_ms:.0f} ms by the reader's clock,"
        f" {account.worst_text_lost_ms:.0f} ms at the model's pace (bound {TEXT_BOUND_MS:.0f} ms "
        f"and a batch of {BATCH_MS:.0f} ms); {account.cut_streams_with_loss} of "
        f"{account.cut_streams} cut streams"
    )
    yield (
        f"serving again            median {account.median_serving_s:.2f} s, worst "
        f"{account.worst_serving_s:.2f} s (bound {SERVING_BOUND_S:.0f} s)"
    )
    hits = ", ".join(f"{point} {count}" for point, count in account.kills_by_point.items())
    yield f"crash points             {hits or 'none'}"
    yield f"crash points missed      {', '.join(account.points_missed) or 'none'}"
    yield f"problems                 {len(account.problems)}"
    for problem in account.problems[:SHOWN]:
        yield f"  {problem}"
