"""What all sides of the application share."""

from __future__ import annotations

from typing import Final, cast

from headwater.app.parts import Parts
from headwater.app.run import Run
from headwater.cqrs.dispatch import Dispatcher
from headwater.cqrs.event_handler import EventHandler
from headwater.cqrs.follower import Follower, FollowerProcess, other
from headwater.cqrs.handlers import Handlers
from headwater.cqrs.projection import Projection
from headwater.cqrs.scheduling import Scheduling
from headwater.cqrs.views import Views
from headwater.errors import ApplicationError
from headwater.runtime.pid import Pid
from headwater.runtime.system import System
from headwater.store.store import EventStore

DISPATCH_TIMEOUT: Final = 5.0
"""Seconds that a command, a query or a wait may take, unless the call says otherwise."""


class ApplicationBase:
    """An application's parts, and what there is of it while it runs.

    Args:
        name: for logs.
        parts: what it is made of.
        views: its read side.
        system: where its processes live.
    """

    def __init__(self, name: str, parts: Parts, views: Views, system: System) -> None:
        self.name = name
        self.blueprint = parts.blueprint
        self.aggregates = parts.blueprint.aggregates
        self.projections = parts.blueprint.projections
        self.handlers = parts.handlers
        self.codec = parts.codec
        self._commands = parts.commands
        self._reactions = parts.reactions
        self._views = views
        self._system = system
        self._run: Run | None = None

    @property
    def store(self) -> EventStore:
        """The event store.

        Raises:
            ApplicationError: the application is not running.
        """
        return self._now().store

    @property
    def system(self) -> System:
        """The processes: start your own beside the application's."""
        return self._system

    def _now(self) -> Run:
        if self._run is None:
            raise self._not_running()
        return self._run

    def _running(self) -> Dispatcher:
        return self._now().dispatcher

    def _running_handlers(self) -> Handlers:
        return self._now().handlers

    def _later(self) -> Scheduling:
        scheduling = self._now().scheduling
        if scheduling is None:
            raise self._not_running()
        return scheduling

    def _follower(self, follower: type[Follower]) -> Pid[FollowerProcess]:
        run = self._now()
        kind: object = follower
        if isinstance(kind, type) and issubclass(kind, EventHandler):
            return other(run.handlers.process(kind))
        return other(self._views.known(cast("type[Projection]", follower)))

    def _not_running(self) -> ApplicationError:
        return ApplicationError(f"application {self.name!r} is not running; use it in `async with`")
