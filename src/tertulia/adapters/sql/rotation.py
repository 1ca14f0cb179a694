"""Rotating the master key while the store serves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tertulia.ports.key_vault import KeyVault
from tertulia.ports.store_admin import StoreAdmin

TOGETHER: Final = 200  # 2 ms in one unit of work, so that nobody's turn waits for a rotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """`resumed`: an earlier rotation was finished, no new version was made."""

    version: int
    rewrapped: int
    resumed: bool


async def rotate_master_key(
    store: StoreAdmin,
    vault: KeyVault,
    *,
    retire: bool = False,
    on_progress: Callable[[int], None] = lambda _left: None,
) -> Rotation:
    """Make a new version of the master key and wrap every data key anew with it.

    Messages are not touched: their data keys stay. May be stopped at any point and run again,
    which first finishes what was begun. With `retire` the older versions are destroyed at the
    end; backups made before then can be read only with a copy of the old key (a key file kept
    elsewhere, or the envelope in the backup), and erased conversations in them no more at all.
    """
    resumed = (await store.counts())["unrewrapped"] > 0
    version = vault.version if resumed else vault.rotate()
    rewrapped = 0
    while left := await store.rewrap(limit=TOGETHER):
        rewrapped += min(left, TOGETHER)
        on_progress(max(0, left - TOGETHER))
    if retire:
        vault.retire(before=version)
    return Rotation(version=version, rewrapped=rewrapped, resumed=resumed)
