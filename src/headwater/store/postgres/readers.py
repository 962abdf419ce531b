"""The connections that are read through."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, Protocol, TypeVar

from headwater.clock import Clock
from headwater.store.postgres.connection import Connection, Dialer
from headwater.store.postgres.failure import DRIVER, is_lost, storage_failure
from headwater.store.postgres.patience import Patience

_T = TypeVar("_T")


class Running(Protocol):
    """`Readers.run`, and what the adapter makes of it."""

    def __call__(
        self, query: Callable[[Connection], Awaitable[_T]], patience: float | None = None, /
    ) -> Coroutine[object, object, _T]:
        """Run a single statement on a connection; again if that is lost."""


class Readers:
    """Up to so many connections, made when they are needed. What is asked through them may be asked twice.

    Args:
        dialer: makes them.
        clock: for the waits between attempts.
        count: how many queries may run at a time; others wait their turn.
    """

    def __init__(self, dialer: Dialer, clock: Clock, count: int) -> None:
        self._dialer: Final = dialer
        self._clock: Final = clock
        self._count: Final = count
        self._slots: Final = asyncio.Semaphore(count)
        self._idle: list[Connection] = []

    async def run(self, query: Callable[[Connection], Awaitable[_T]], patience: float | None = None) -> _T:
        """Run the query; again if the connection is lost.

        Args:
            query: a single statement, which does no harm if it is carried out twice.
            patience: seconds to wait for a database that is gone, if not as the limits say.

        Raises:
            StorageFailed: the database refused, or didn't come back.
        """
        waiting = Patience(self._clock, self._dialer.limits.patience if patience is None else patience)
        while True:
            try:
                async with self._slots:
                    return await self._run(query)
            except DRIVER as error:
                if not is_lost(error) or not await waiting.wait():
                    raise storage_failure(self._dialer.address.location, error) from error

    async def close(self) -> None:
        """Wait for the queries that run, then give the connections back."""
        for _ in range(self._count):
            await self._slots.acquire()
        self._drop_idle()

    async def _run(self, query: Callable[[Connection], Awaitable[_T]]) -> _T:
        connection = await self._connection()
        try:
            result = await query(connection)
        except BaseException as error:
            if is_lost(error):
                self._drop_idle()  # the others are most likely as dead
            connection.terminate()
            raise
        self._idle.append(connection)
        return result

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await self._dialer.dial()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().terminate()
