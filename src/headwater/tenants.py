"""Tenants: one application definition, and a store for each of those who use it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final

from headwater.app import DISPATCH_TIMEOUT, Application
from headwater.cqrs.deadline import Deadline
from headwater.errors import ApplicationError, DefinitionError, InvalidTenant

MAX_OPEN: Final = 100
"""How many tenants' applications run at a time, unless said otherwise."""

_log: Final = logging.getLogger("headwater.tenants")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Tenants:
    """Runs an application for each tenant, on a store of the tenant's own, from the first use on.

        tenants = Tenants(bank, lambda tenant: f"sqlite:////var/lib/bank/{tenant}.db")

        async with tenants:
            async with tenants.application("acme") as acme:
                await acme.dispatch(Deposit("a-1", 50))

    Each tenant's application has its own store, processes, views and PubSub: nothing of one reaches another. They share
    the objects that the definition was given, such as middleware and telemetry.

    One that nobody uses any more goes on running, for the next one who does. When `max_open` run and another tenant is
    wanted, the one is closed that has been unused for the longest time; one that is in use never is. If all are in use,
    whoever wants another one waits, first come, first served. On leaving, all are closed; what goes wrong in that is
    logged.

    Args:
        definition: what each tenant gets; it isn't run itself.
        store_of: from a tenant's name to the URL of its store: a file, a database, a schema in one
            (`postgresql://…?schema=bank_acme`). With `memory://`, what a tenant has is gone when it is closed.
        max_open: how many run at a time. Each takes what an application takes: on PostgreSQL, connections.

    Raises:
        ValueError: `max_open` is below 1.
        DefinitionError: a view names a database, which can't be every tenant's.
    """

    def __init__(self, definition: Application, store_of: Callable[[str], str], *, max_open: int = MAX_OPEN) -> None:
        if max_open < 1:
            raise ValueError(f"at least 1 tenant must be allowed to run, not {max_open}")
        for projection in definition.projections:
            if projection.database is not None and not projection.database.startswith("memory:"):
                raise DefinitionError(
                    f"{projection.__qualname__} says in which database it is, and all tenants would share its rows; "
                    "leave out `database`, and it lies beside each tenant's store"
                )
        self._definition: Final = definition
        self._store_of: Final = store_of
        self._max_open: Final = max_open
        self._tenants: Final[dict[str, _Tenant]] = {}  # in the order in which they were used last
        self._turn: Final = asyncio.Lock()  # first come, first served
        self._changed: Final = asyncio.Event()
        self._running = False

    @asynccontextmanager
    async def application(self, tenant: str, *, timeout: float | None = DISPATCH_TIMEOUT) -> AsyncIterator[Application]:
        """A tenant's application, running. It is not closed before all who use it have left.

        Args:
            tenant: its name: 1 to 63 lower-case letters, digits, `_` and `-`, not beginning with the last two. So it
                is one name in any file system and database.
            timeout: seconds that it may take until the application runs; None waits for ever. After that the store
                goes on being opened, for the next one who comes.

        Raises:
            InvalidTenant: it is no such name, or another tenant that is open has the same store.
            DeadlineExceeded: as many as may run are in use, or opening the store took too long.
            ApplicationError: this isn't running; use it in `async with`.
            StoreError: the tenant's store can't be opened.
        """
        if not _NAME.fullmatch(tenant):
            raise InvalidTenant(
                f"a tenant's name has 1 to 63 lower-case letters, digits, '_' and '-', and begins with a letter or a "
                f"digit; not {tenant!r}"
            )
        deadline = Deadline(self._definition.system.clock, timeout, f"opening tenant {tenant!r}")
        async with deadline:
            found = await self._in_use(tenant)
        try:
            yield found.application
        finally:
            self._leave(found)

    @property
    def open(self) -> tuple[str, ...]:
        """The tenants whose applications run, in the order in which they were used last."""
        return tuple(self._tenants)

    async def close(self, tenant: str) -> bool:
        """Close a tenant's application, unless it is in use. Returns whether it is closed now.

        To be done before its store is moved or deleted, say.
        """
        found = self._tenants.get(tenant)
        if found is not None and not found.users:
            await asyncio.shield(self._closed(found))
        return tenant not in self._tenants

    async def __aenter__(self) -> Tenants:
        if self._running:
            raise ApplicationError("these tenants are running already")
        self._running = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = False
        self._changed.set()
        closing = [self._closed(tenant) for tenant in self._tenants.values()]
        if closing:
            await asyncio.wait(closing)

    # --- who is in -----------------------------------------------------------------------------------------------

    async def _in_use(self, tenant: str) -> _Tenant:
        """The tenant, open, and not to be closed before `_leave`."""
        found = self._tenants.get(tenant)
        if found is None or found.closing is not None:
            async with self._turn:
                found = await self._admitted(tenant)
        found.users += 1
        try:
            await asyncio.shield(found.opening)  # whoever waits may give up; others come behind it
        except BaseException:
            self._leave(found)
            raise
        return found

    async def _admitted(self, tenant: str) -> _Tenant:
        """The tenant, open or about to be; it waits until there is room for it."""
        while True:
            if not self._running:
                raise ApplicationError("these tenants are not running; use them in `async with`")
            found = self._tenants.get(tenant)
            if found is None and len(self._tenants) < self._max_open:
                return self._begin(tenant)
            if found is not None and found.closing is None:
                return found
            await self._room(found)

    async def _room(self, wanted: _Tenant | None) -> None:
        """Wait until something has changed: this one was closed, or one that is unused, or one was left."""
        unused = (tenant for tenant in self._tenants.values() if not tenant.users)
        leaving = wanted or next(unused, None)
        if leaving is None:
            self._changed.clear()
            await self._changed.wait()
        else:
            await asyncio.wait([self._closed(leaving)])

    def _begin(self, tenant: str) -> _Tenant:
        url = self._store_of(tenant)
        shared = next((one.name for one in self._tenants.values() if one.application.url == url), None)
        if shared is not None and not url.startswith("memory:"):
            raise InvalidTenant(f"the store of tenant {tenant!r} is that of tenant {shared!r} too")
        application = self._definition.on(url, name=f"{self._definition.name} {tenant}")
        found = self._tenants[tenant] = _Tenant(tenant, application)
        found.opening.add_done_callback(lambda _: self._opened(found))
        return found

    def _opened(self, tenant: _Tenant) -> None:
        if tenant.opening.cancelled() or tenant.opening.exception() is not None:
            self._forget(tenant)

    def _leave(self, tenant: _Tenant) -> None:
        tenant.users -= 1
        if self._tenants.get(tenant.name) is tenant:
            self._tenants[tenant.name] = self._tenants.pop(tenant.name)
        self._changed.set()

    def _closed(self, tenant: _Tenant) -> asyncio.Task[None]:
        """What ends when the tenant is closed."""
        if tenant.closing is None:
            tenant.closing = asyncio.create_task(tenant.close())
            tenant.closing.add_done_callback(lambda closing: self._gone(tenant, closing))
        return tenant.closing

    def _gone(self, tenant: _Tenant, closing: asyncio.Task[None]) -> None:
        self._forget(tenant)
        error = None if closing.cancelled() else closing.exception()
        if error is not None:
            _log.error("tenant %r was not closed properly", tenant.name, exc_info=error)

    def _forget(self, tenant: _Tenant) -> None:
        if self._tenants.get(tenant.name) is tenant:
            del self._tenants[tenant.name]
        self._changed.set()


class _Tenant:
    """A tenant whose application runs, or is about to, or is being closed.

    Attributes:
        name: the tenant.
        application: its application.
        users: how many use it.
        opening: ends when it runs.
        closing: ends when it is closed; None as long as it shall run.
    """

    def __init__(self, name: str, application: Application) -> None:
        self.name: Final = name
        self.application: Final = application
        self.users = 0
        self.opening: Final = asyncio.create_task(self._open())
        self.closing: asyncio.Task[None] | None = None

    async def _open(self) -> None:
        await self.application.__aenter__()

    async def close(self) -> None:
        """Close it, once it is open."""
        await asyncio.wait([self.opening])
        if not self.opening.cancelled() and self.opening.exception() is None:
            await self.application.__aexit__(None, None, None)
