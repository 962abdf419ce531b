"""Which process serves which projection, and where those with tables in a database have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from headwater.cqrs.projection import Broadcast, Projection
from headwater.cqrs.sql_address import ViewAddress, view_address
from headwater.cqrs.view_process import ViewProcess
from headwater.errors import DefinitionError
from headwater.runtime.child import Child
from headwater.store.store import EventStore

Addresses: TypeAlias = Mapping[type[Projection], ViewAddress]
"""Where the views in databases are."""


def view_addresses(projections: Sequence[type[Projection]], store: str, database: str | None) -> Addresses:
    """Where the views in databases are.

    Args:
        projections: all of them.
        store: the URL of the event store.
        database: the URL of the database of those that name none themselves.

    Raises:
        DefinitionError: a URL makes no sense. The message names the class.
    """
    found = {}
    for projection in projections:
        if projection.in_database:
            try:
                found[projection] = view_address(projection.database or database, store)
            except DefinitionError as error:
                raise DefinitionError(f"{projection.__qualname__}: {error}") from error
    return found


async def prepare_views(addresses: Addresses) -> None:
    """Make the tables that aren't there, and make sure of those that are.

    Raises:
        ViewDatabaseError: they aren't what they should be, or can't be reached.
    """
    if not addresses:
        return
    from headwater.cqrs.sql_projection import SQLProjection  # comes with an extra; here is somebody who has it
    from headwater.cqrs.sql_view import SqlView

    for projection, address in addresses.items():
        if issubclass(projection, SQLProjection):
            async with await SqlView.open(projection, address) as view:
                await view.create()


def view_child(
    projection: type[Projection], name: str, store: EventStore, broadcast: Broadcast, addresses: Addresses
) -> Child:
    """What a supervisor has to start for a projection."""
    address = addresses.get(projection)
    if address is None:
        return Child(ViewProcess, store, projection, broadcast, name=name)
    from headwater.cqrs.sql_view_process import SQLViewProcess  # see above

    return Child(SQLViewProcess, store, projection, broadcast, address, name=name)
