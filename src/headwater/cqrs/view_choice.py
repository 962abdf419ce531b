"""Which process serves which view."""

from __future__ import annotations

from headwater.cqrs.projection import Broadcast, Projection
from headwater.cqrs.served_view import ServedView
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_process import ViewProcess
from headwater.runtime.child import Child
from headwater.store.store import EventStore


async def prepare_view(projection: type[Projection], places: ViewPlaces) -> None:
    """Make the view's tables unless they are there, and make sure of those that are. Nothing, if it has none.

    Raises:
        ViewDatabaseError: they aren't what they should be, or can't be reached.
    """
    if not projection.in_database:
        return
    from headwater.cqrs.sql_projection import SQLProjection  # comes with an extra; here is somebody who has it
    from headwater.cqrs.sql_view import SqlView

    if issubclass(projection, SQLProjection):
        async with await SqlView.open(projection, places.address(projection)) as view:
            await view.create()


def view_child(
    store: EventStore, served: ServedView, broadcast: Broadcast, places: ViewPlaces, *, catch_up: bool
) -> Child:
    """What a supervisor has to start for a view, and whether it waits until the view has caught up with the log."""
    keywords = {"catch_up": catch_up}
    if not served.projection.in_database:
        return Child(ViewProcess, store, served, broadcast, name=served.process_name, keywords=keywords)
    from headwater.cqrs.sql_view_process import SQLViewProcess  # see above

    return Child(SQLViewProcess, store, served, broadcast, places, name=served.process_name, keywords=keywords)
