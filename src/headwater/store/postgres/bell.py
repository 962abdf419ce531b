"""How processes tell each other that there are new events: NOTIFY, and asking from time to time besides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from headwater.clock import Clock, Timer
from headwater.errors import StoreError
from headwater.store.postgres.connection import Connection, Dialer
from headwater.store.postgres.failure import DRIVER
from headwater.store.postgres.transactions import hang_up
from headwater.store.watchers import Watchers

GAP: Final = 0.01
"""Seconds between two notifications; what is committed in between is told by one."""

POLL: Final = 0.05
"""Seconds between two questions while nobody listens."""

POLL_BESIDE: Final = 1.0
"""Seconds between two questions while somebody listens: a process may die between its commit and its notification."""

_LONGEST: Final = 5.0
_NOTIFY: Final = "SELECT pg_notify($1, $2)"

_log: Final = logging.getLogger("headwater.store")


class Bell(Watchers):
    """Watchers of a log that other processes write too.

    One connection of its own both listens and notifies. It is made when there is the first watcher, or something
    to tell; when it is lost, it is made anew, with growing waits. While there are watchers the log's revision
    is asked for besides: rarely, or often while nobody listens.

    Args:
        dialer: makes the connection.
        clock: its timers say when to ask, and when to try again.
        revision: asks for the log's revision.
    """

    def __init__(self, dialer: Dialer, clock: Clock, revision: Callable[[], Awaitable[int]]) -> None:
        super().__init__()
        self._dialer: Final = dialer
        self._clock: Final = clock
        self._revision: Final = revision
        self._loop: Final = asyncio.get_running_loop()
        self._channel: Final = f"headwater:{dialer.address.schema}"
        self._stir: Final = asyncio.Event()
        self._untold: int | None = None
        self._listening = False
        self._rest: asyncio.Future[None] | None = None
        self._closing = False
        self._told_by = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None
        self._asking: asyncio.Task[None] | None = None
        self._seen: int | None = None

    def announce(self, position: int) -> None:
        """The log has grown up to this position: tell the others soon."""
        self._untold = position
        self._stir.set()
        self._start()

    def changed(self) -> None:
        """Listen and ask while somebody wants to know."""
        if self._closing:
            return
        if len(self):
            self._start()
            if self._timer is None and self._asking is None:
                self._seen = None
                self._ask()
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def finish(self) -> None:
        """Tell what is untold, and end."""
        self._closing = True
        self.close()
        self._stir.set()
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for task in (self._asking, self._task) if task is not None]
        self._rested()
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=self._dialer.limits.connect)
            for task in unfinished:
                task.cancel()

    # --- the connection ----------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._task is None and not self._closing:
            self._task = self._loop.create_task(self._connect(), name="headwater-store-bell")

    async def _connect(self) -> None:
        """Serve, over a new connection each time that one was lost."""
        delay = POLL
        while not self._closing:
            try:
                await self._serve()
            except DRIVER as error:
                _log.info("%s: nobody listens for now: %s", self._dialer.address.location, error)
            if self._listening:
                self._listening, delay = False, POLL
            if not self._closing:
                await self._rest_for(delay)
                delay = min(_LONGEST, delay * 2)

    async def _serve(self) -> None:
        connection = await self._dialer.dial_session()
        try:
            await self._listen_and_tell(connection)
        finally:
            await hang_up(connection)

    async def _listen_and_tell(self, connection: Connection) -> None:
        """Until the connection is lost or the store closed."""
        connection.add_termination_listener(lambda _: self._stir.set())
        await connection.add_listener(self._channel, self._heard)
        self._told_by = connection.get_server_pid()
        self._listening = True
        self.ring()  # for what has come while nobody listened
        while not connection.is_closed():
            if self._untold is not None:
                position, self._untold = self._untold, None
                await connection.execute(_NOTIFY, self._channel, str(position))
                if not self._closing:
                    await self._rest_for(GAP)
            elif self._closing:
                return
            else:
                self._stir.clear()
                await self._stir.wait()

    async def _rest_for(self, seconds: float) -> None:
        """Wait, by the clock's time, but no longer than until the store is closed."""
        self._rest = self._loop.create_future()
        timer = self._clock.call_later(seconds, self._rested)
        try:
            await self._rest
        finally:
            timer.cancel()

    def _rested(self) -> None:
        if self._rest is not None and not self._rest.done():
            self._rest.set_result(None)

    def _heard(self, _connection: object, process: int, _channel: str, _payload: object) -> None:
        if process != self._told_by:  # own commits have rung already
            self.ring()

    # --- asking ------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        self._timer = None
        self._asking = self._loop.create_task(self._ask_once(), name="headwater-store-poll")

    async def _ask_once(self) -> None:
        try:
            revision = await self._revision()
        except StoreError:
            self._seen = None  # the watchers' own reads will tell what is wrong
        else:
            if revision != self._seen:
                self._seen = revision
                self.ring()  # the first time too: for what was committed since the watcher came
        self._asking = None
        if len(self) and not self._closing:
            self._timer = self._clock.call_later(POLL_BESIDE if self._listening else POLL, self._ask)
