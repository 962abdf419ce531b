"""What happened to an aggregate between two moments, and what each event changed."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Mapping
from typing import Final

import msgspec

from headwater.sourcing.aggregate import Aggregate
from headwater.sourcing.repository import Repository, fold
from headwater.sourcing.timetravel import Horizon, Moment
from headwater.store.model import Recorded
from headwater.store.reading import PAGE
from headwater.store.store import EventStore
from headwater.types import Version

_MISSING: Final = object()


class Change(msgspec.Struct, frozen=True):
    """What an event did to one field.

    Attributes:
        before: its value before the event; None if there was no such field.
        after: its value after it; None if there is no such field any more.
    """

    before: object
    after: object


class Step(msgspec.Struct, frozen=True):
    """One event of an aggregate, and the aggregate before and after it, as people are shown it.

    Attributes:
        recorded: the event. Several steps have one version if upcasters made several events of a stored one.
        before: the fields before it.
        after: the fields after it.
    """

    recorded: Recorded
    before: Mapping[str, object]
    after: Mapping[str, object]

    @property
    def changes(self) -> dict[str, Change]:
        """The fields that the event changed, in their order; empty if it changed none."""
        fields = dict.fromkeys((*self.before, *self.after))
        return {
            field: Change(self.before.get(field), self.after.get(field))
            for field in fields
            if self.before.get(field, _MISSING) != self.after.get(field, _MISSING)
        }


async def history(
    store: EventStore,
    kind: type[Aggregate],
    id: str,  # noqa: A002 - the field's term
    since: Moment | None = None,
    until: Moment | None = None,
) -> AsyncGenerator[Step, None]:
    """The events of an aggregate behind one moment, up to another one, with what each changed.

    Reads page by page. `Application.history` tells what the moments mean.

    Raises:
        Undecodable, UnknownType: an event can't be read.
        DefinitionError: an `evolve` method raised; names the event.
        TypeError, ValueError: what was given is no moment.
    """
    horizon = Horizon(until)
    loaded = await Repository(store).load(kind, id, Version(0) if since is None else since)
    aggregate, version = loaded.aggregate, int(loaded.version)
    before = _shown(aggregate)
    while page := await store.page_stream(kind.stream_of(id), version):
        for stored in page:
            if not horizon.includes(stored):
                return
            for recorded in store.unfold(stored):
                fold(aggregate, (recorded,))
                after = _shown(aggregate)
                yield Step(recorded, before, after)
                before = after
            version = stored.version
        if len(page) < PAGE:
            return


def _shown(aggregate: Aggregate) -> Mapping[str, object]:
    """The fields as they are now: the aggregate's own objects change with the next event."""
    return copy.deepcopy(dict(aggregate.describe()))
