"""Where a subscription begins."""

from __future__ import annotations

import enum
from datetime import datetime

from headwater.errors import InvalidSubscription
from headwater.store.page import Selection
from headwater.store.reader import ReadingStore


class Start(enum.Enum):
    """Where a subscription begins, when it names no exact place."""

    ORIGIN = "the origin"
    """With the first event."""
    HEAD = "the head"
    """With the first event that is appended from now on."""


StartFrom = int | Start | datetime
"""A place: the event behind this position comes first, or, in one stream, behind this version. Or a `Start`. Or a
moment: what was recorded after it comes."""


def check_start(start: StartFrom) -> None:
    """Make sure that a subscription can begin there.

    Raises:
        InvalidSubscription: a place below 0, a moment without a time zone, or something else.
    """
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise InvalidSubscription(f"{start!r} has no time zone; give it one, e.g. tzinfo=datetime.UTC")
    elif isinstance(start, bool) or not isinstance(start, int | Start):
        raise InvalidSubscription(f"a subscription begins at a place, a Start or a moment, not at {start!r}")
    elif isinstance(start, int) and start < 0:
        raise InvalidSubscription(f"a subscription begins at 0 or a higher place, not at {start}")


async def place_of(store: ReadingStore, stream: str | None, start: StartFrom) -> int:
    """The place behind which the first event comes.

    Raises:
        StoreClosed, StorageFailed: the log could not be read.
    """
    if isinstance(start, int):
        return start
    if start is Start.ORIGIN:
        return 0
    if stream is None:
        return await (store.head() if isinstance(start, Start) else store.position_at(start))
    if isinstance(start, Start):
        return await end_of(store, stream)
    return await _version_at(store, stream, start)


async def end_of(store: ReadingStore, stream: str | None) -> int:
    """The last place: the log's head, or the stream's version."""
    if stream is None:
        return await store.head()
    info = await store.adapter.stream_info(stream)
    return 0 if info is None else info.version


async def _version_at(store: ReadingStore, stream: str, moment: datetime) -> int:
    until = await store.position_at(moment)
    page = await store.adapter.read(Selection(stream, backwards=True, until=until), 1)
    return page.events[0].version if page.events else 0
