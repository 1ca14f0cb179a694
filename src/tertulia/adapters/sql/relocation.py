"""Moving to another database: everything is copied, compared, and only then handed over."""

from collections.abc import Callable

from tertulia.adapters.sql.transfer import (
    COMPARED,
    OnProgress,
    Side,
    about,
    check_same,
    copy_rows,
    hand_over,
    mark_compared,
)
from tertulia.adapters.sql.transfer_sides import SourceUnfitError, open_source, open_target


def relocate(
    source_url: str,
    target_url: str,
    *,
    on_progress: OnProgress,
    on_check: Callable[[], None] = lambda: None,
    complete: Callable[[Side], None] = lambda _copy: None,
) -> None:
    """Copy the database `source_url` into the empty one `target_url` (`sqlite:///PATH` or
    `postgresql://…`). `complete` puts into the copy what its source has elsewhere. When it breaks
    off, the target is served by nobody and the same call goes on; the source is never changed, and
    can be served again."""
    with open_source(source_url) as source:
        source_id = about(source).get("database_id")
        if source_id is None:
            raise SourceUnfitError
        with open_target(target_url, source_id) as target:
            if COMPARED not in about(target):
                copy_rows(source, target, on_progress)
                on_check()
                check_same(source, target)
                mark_compared(target)
            complete(target)
            hand_over(source, target)
