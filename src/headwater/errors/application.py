"""Commands, queries, views and tenants."""

from __future__ import annotations

from headwater.errors.base import HeadwaterError


class ApplicationError(HeadwaterError):
    """Base of what goes wrong between an application's parts."""


class UnknownCommand(ApplicationError):
    """No aggregate of the application decides this command."""


class UnknownQuery(ApplicationError):
    """No projection of the application answers this query."""


class UnknownView(ApplicationError):
    """The application has no such projection."""


class InvalidCommand(ApplicationError, ValueError):
    """A command that makes no sense by itself, whatever the state. Nobody was asked to decide it.

    Args:
        message: what is wrong.
        field: the field that is at fault, if it is one.
    """

    def __init__(self, message: str, /, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class CommandFailed(ApplicationError):
    """`decide`, `evolve` or a middleware raised what is no answer. Nothing was stored; `__cause__` tells why."""


class CommandIdTaken(ApplicationError):
    """The command's identifier was used for a command of another aggregate. Nothing was stored."""


class ConflictNotResolved(ApplicationError):
    """The stream kept changing under the command: it was decided again as often as allowed, and gave up."""


class ViewFailed(ApplicationError):
    """A projection stopped at an event that it could not handle. `position` is that event's.

    Args:
        view: the projection's name.
        position: the position of the event at which it stopped.
        cause: what its handler raised, as text.
    """

    def __init__(self, view: str, position: int, cause: str) -> None:
        super().__init__(f"view {view!r} stopped at position {position}: {cause}")
        self.view = view
        self.position = position
        self.cause = cause


class ViewCatchingUp(ApplicationError):
    """A view was asked that has not come yet to where the log ended when the application was entered.

    Only views that are left out of `Application(catch_up=…)` are. Ask again later, or `wait_for` the view.

    Args:
        view: the projection's name.
        position: how far it has come.
        head: where the log ended.
    """

    def __init__(self, view: str, position: int, head: int) -> None:
        super().__init__(
            f"view {view!r} is still catching up: it is at position {position}, and answers from {head} on; "
            "wait for it, or name it in the application's catch_up, to be entered when it is there"
        )
        self.view = view
        self.position = position
        self.head = head


class RebuildRunning(ApplicationError):
    """Another build of this view is under way already."""


class TooManySubscriptions(ApplicationError):
    """A view has as many live queries as it may have. This one was not opened."""


class InvalidTenant(ApplicationError, ValueError):
    """A tenant's name has another form than names of tenants have, or its store is another tenant's too."""
