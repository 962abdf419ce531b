"""The process that builds a view beside the one that serves, and hands it over."""

from __future__ import annotations

from typing import ClassVar, Final

from headwater.cqrs.projection import Projection
from headwater.cqrs.view_build import ViewBuild, begin_build
from headwater.cqrs.view_places import ViewPlaces
from headwater.cqrs.view_process import PAGE, ViewProcess
from headwater.cqrs.view_status import RebuildProgress
from headwater.runtime.exits import Reason
from headwater.runtime.genserver import GenServer
from headwater.runtime.pid import Pid
from headwater.runtime.reply import Deferred
from headwater.runtime.restart import Restart
from headwater.store.page import Selection
from headwater.store.store import EventStore
from headwater.types import Position


class BuildingSpeed:
    """How fast a build goes, and how long it will take. Pure.

    Args:
        view: what is built.
        started: when it began, in seconds.
        position: where it began.
    """

    def __init__(self, view: str, started: float, position: int) -> None:
        self._view: Final = view
        self._started: Final = started
        self._first: Final = position

    def progress(self, position: int, head: int, now: float) -> RebuildProgress:
        """How far it has come at a time, in seconds."""
        elapsed = now - self._started
        rate = (position - self._first) / elapsed if elapsed > 0 else 0.0
        left = (head - position) / rate if rate else None
        return RebuildProgress(self._view, Position(position), Position(head), rate, left)


class ViewBuilder(GenServer):
    """Follows the log from its beginning with a build of a view, page by page, and stops at the first error.

    At the head of the log it offers the build to the process of the view, which takes it between two events.
    """

    trap_exit = True  # so that `terminate` discards the build
    restart: ClassVar[Restart] = "temporary"

    async def init(self, store: EventStore, kind: type[Projection], view: Pid[ViewProcess], places: ViewPlaces) -> None:
        """Begin."""
        self._store = store
        self._kind = kind
        self._view = view
        self._now = self.pid.process.node.clock.monotonic
        self._waiting: Deferred[Position] | None = None
        self._handed_over = False
        self._head = await store.head()  # before there is something that `terminate` would have to discard
        self._build: ViewBuild = await begin_build(kind, store, self.pid.process.node.clock, places)
        self._speed = BuildingSpeed(kind.view, self._now(), self._build.position)

    def built(self) -> Deferred[Position]:
        """Answered when the build serves, with the position at which it took over.

        Raises (through the answer):
            ViewFailed: an event could not be followed. What serves is as it was.
            HeadwaterError: the log could not be read, or the view's process is gone.
        """
        self._waiting = self.defer(Position)
        self.pid.cast(ViewBuilder.follow)
        return self._waiting

    def progress(self) -> RebuildProgress:
        """How far it has come."""
        return self._speed.progress(self._build.position, max(self._head, self._build.position), self._now())

    async def follow(self) -> None:
        """Follow the next page; at the head of the log, offer the build."""
        try:
            page = await self._store.page(Selection(after=self._build.position), PAGE)
            self._head = Position(page.head)
            await self._build.follow(page.events)
            if len(page.events) < PAGE and await self._hand_over():
                return
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever wants the build is told
            self._answer().fail(error)
            self.stop()
        else:
            self.pid.cast(ViewBuilder.follow)

    async def _hand_over(self) -> bool:
        adoption = await self._view.within(None).call(ViewProcess.adopt, self._kind, self._build)
        if adoption.error is not None:
            raise adoption.error
        if adoption.position is None:
            return False
        self._handed_over = True
        self._answer().reply(adoption.position)
        self.stop()
        return True

    def _answer(self) -> Deferred[Position]:
        waiting, self._waiting = self._waiting, None
        return waiting or self.defer(Position)

    async def terminate(self, reason: Reason) -> None:
        """Leave nothing behind, unless the build serves."""
        if not self._handed_over:
            await self._build.discard()
