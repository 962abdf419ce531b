"""Views in a database."""

from __future__ import annotations

from headwater.errors.application import ApplicationError


class ViewDatabaseError(ApplicationError):
    """Base of what goes wrong with a view's tables in a database. Nothing was changed there."""


class ViewTablesChanged(ViewDatabaseError):
    """A projection's tables are others than those that were made for this version of it. Raise its version.

    Args:
        view: the projection's name.
        table: the table at fault, as it is called in the database.
        column: its column at fault; None if it is something else.
        difference: what is different, as text.
    """

    def __init__(self, view: str, table: str, column: str | None, difference: str) -> None:
        super().__init__(f"view {view!r}: {difference}; raise the projection's version, so that it is built anew")
        self.view = view
        self.table = table
        self.column = column


class ViewTablesTaken(ViewDatabaseError):
    """The database has a table of this name that isn't the view's. `table` is its name.

    Args:
        view: the projection's name.
        table: the table's name.
    """

    def __init__(self, view: str, table: str) -> None:
        super().__init__(f"view {view!r}: the database has a table {table} already that isn't the view's; rename one")
        self.view = view
        self.table = table


class ViewPartitionsChanged(ViewDatabaseError):
    """A projection has another number of partitions than its tables were built with. Raise its version.

    Args:
        view: the projection's name.
        built: with how many it was built.
        wanted: how many its class says.
    """

    def __init__(self, view: str, built: int, wanted: int) -> None:
        super().__init__(
            f"view {view!r} was built with partitions={built}, not {wanted}; "
            "raise the projection's version, so that it is built anew"
        )
        self.view = view
        self.built = built
        self.wanted = wanted


class ViewOfOtherLog(ViewDatabaseError):
    """A view's tables have followed another log, or one that has lost its last events since. Drop the view."""


class ViewVersionTaken(ViewDatabaseError):
    """A view in a database can't be built anew under the version that serves: its tables are those. Raise the version.

    Or, while no application runs that has the view, let its tables be emptied first:
    `headwater projections rebuild NAME --in-place`.

    Args:
        view: its name and version.
    """

    def __init__(self, view: str) -> None:
        super().__init__(
            f"view {view!r} serves from the tables of this version, and a new build needs its own; raise the "
            "projection's version; or stop the application and empty them: headwater projections rebuild … --in-place"
        )
        self.view = view


class ViewUnavailable(ViewDatabaseError):
    """The view's database can't be reached, or refused for a reason that lies with it. `__cause__` tells which."""
