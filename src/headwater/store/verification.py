"""Going over a whole log, to see whether it is what was appended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from headwater.store.base import StoreBase
from headwater.store.chain import Break, ChainHead, Checker

_PAGE: Final = 1_000
_LOWEST: Final = -(2**63)
"""Somebody may have inserted events before the first one."""


class Verification(msgspec.Struct, frozen=True):
    """What `verify` has found.

    Attributes:
        head: how far the chain holds, and its hash there: keep it elsewhere, for the next time.
        broken: the first place where it doesn't; None if it holds.
    """

    head: ChainHead
    broken: Break | None


async def verify(
    store: StoreBase,
    known: Iterable[bytes] = (),
    progress: Callable[[int], None] | None = None,
) -> Verification:
    """Compare every event with the hash that was made when it was appended.

    Finds the first event that was altered, removed, inserted or moved, and a log whose end was cut off. It can't see
    what somebody did who has computed all hashes anew, unless `known` holds a hash that was kept out of their reach:
    see `headwater.store.chain`. Goes over events only: links, marks and snapshots have no hashes. Reads page by
    page; what is appended meanwhile is looked at as well.

    Args:
        store: the store, open; for reading only will do.
        known: hashes of earlier heads, which the log must contain.
        progress: called after each page with the position that was reached.

    Raises:
        StoreClosed: the store is closed.
        StorageFailed: the storage could not be read.
    """
    checker = Checker(known)
    noted = ChainHead()
    while await _read_on(store, checker, progress):
        noted = await store.adapter.chain_head()  # of a later moment than what was read: never lower in a whole log
        if noted.position <= checker.head.position or not await store.adapter.read_chain(checker.head.position, 1):
            break
    checker.finish(noted)
    return Verification(checker.head, checker.broken)


async def _read_on(store: StoreBase, checker: Checker, progress: Callable[[int], None] | None) -> bool:
    """Check all that there is behind what was checked. False once the chain is broken."""
    while links := await store.adapter.read_chain(checker.head.position or _LOWEST, _PAGE):
        if not checker.follow(links):
            return False
        if progress is not None:
            progress(checker.head.position)
    return True
