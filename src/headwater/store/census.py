"""What lies in a log, type by type, and whether it can be read."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from headwater.errors import CodecError
from headwater.store.reader import ReadingStore


class TypeCount(msgspec.Struct, frozen=True):
    """The events of one type name and schema version.

    Attributes:
        type: the type name, as it is stored.
        schema: the schema version.
        events: how many there are.
        first_position: where the first one lies.
        unreadable: how many of them can't be decoded.
        error: why the first of these can't; None if all can.
    """

    type: str
    schema: int
    events: int
    first_position: int
    unreadable: int = 0
    error: str | None = None


async def count_types(store: ReadingStore, progress: Callable[[int], None] = lambda _position: None) -> list[TypeCount]:
    """Read the whole log as it is now, and decode every event, through upcasters. In the order of the type names.

    Args:
        store: the log, with the codec to read it with.
        progress: told the position that was reached, page by page.

    Raises:
        StoreClosed, StorageFailed: the log could not be read.
    """
    counts: dict[tuple[str, int], TypeCount] = {}
    async with store.pages_all() as pages:
        async for page in pages:
            for stored in page:
                kind = (stored.type, stored.schema)
                count = counts.get(kind) or TypeCount(*kind, 0, stored.position)
                error = count.error
                unreadable = count.unreadable
                try:
                    store.unfold(stored)
                except CodecError as fault:
                    unreadable, error = unreadable + 1, error or str(fault)
                counts[kind] = TypeCount(*kind, count.events + 1, count.first_position, unreadable, error)
            progress(page[-1].position)
    return [counts[kind] for kind in sorted(counts)]
