"""Where those views of an application are that have their tables in databases."""

from __future__ import annotations

from typing import Final

from headwater.cqrs.projection import Projection
from headwater.cqrs.sql_address import ViewAddress, view_address
from headwater.errors import DefinitionError


class ViewPlaces:
    """Knows the database of each view.

    Args:
        store: the URL of the event store.
        database: the URL of the database of those views that name none themselves; None for a place beside the store.
    """

    def __init__(self, store: str, database: str | None = None) -> None:
        self._store: Final = store
        self._database: Final = database

    def on(self, store: str) -> ViewPlaces:
        """The same for another store."""
        return ViewPlaces(store, self._database)

    def address(self, projection: type[Projection]) -> ViewAddress:
        """Where a view's tables are, given that it has some.

        Raises:
            DefinitionError: a URL makes no sense. The message names the class.
        """
        try:
            return view_address(projection.database or self._database, self._store)
        except DefinitionError as error:
            raise DefinitionError(f"{projection.__qualname__}: {error}") from error
