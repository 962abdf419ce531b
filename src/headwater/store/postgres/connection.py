"""How connections are set up: what each of them is for, and how long it waits."""

from __future__ import annotations

from typing import Final, NamedTuple

from headwater.store.postgres.address import PostgresAddress
from headwater.store.postgres.driver import asyncpg
from headwater.store.url import Durability

Connection = asyncpg.Connection
"""A connection of asyncpg's. Its errors never leave this package."""

_CLEANUP: Final = 5.0
"""Seconds that the server gets to end a statement by itself before the connection counts as lost."""

# What is looked up by an index stays looked up by an index, however small the table was when the plan was made.
_BY_INDEX: Final = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
# The writer's statements are few and of many parts: planning one anew for its values takes longer than the rest of it.
_PLANNED_ONCE: Final = {"plan_cache_mode": "force_generic_plan"}
_WAIT_FOR_DISK: Final = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


class Limits(NamedTuple):
    """How long a store waits, in seconds.

    Attributes:
        connect: for one attempt to connect.
        patience: for a database that is gone to come back, before whoever waits gets an error.
        lock: for another writer to finish its transaction.
        statement: for one statement, and for a transaction in which nothing happens.
    """

    connect: float = 10.0
    patience: float = 15.0
    lock: float = 15.0
    statement: float = 60.0


class Dialer:
    """Makes connections.

    Args:
        address: where to.
        limits: how long to wait.
        durability: `full` or `relaxed`.
        read_only: whether the server shall refuse all writing.
    """

    def __init__(self, address: PostgresAddress, limits: Limits, durability: Durability, *, read_only: bool) -> None:
        self.address: Final = address
        self.limits: Final = limits
        self.durability: Final = durability
        self._read_only: Final = read_only

    async def dial(self) -> Connection:
        """A connection for reading, and for what is written besides the log.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: there is none to be had.
        """
        return await self._dial({})

    async def dial_writer(self) -> Connection:
        """A connection for writing the log.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: there is none to be had.
        """
        return await self._dial(_PLANNED_ONCE)

    async def _dial(self, settings: dict[str, str]) -> Connection:
        if self.address.pooled:
            return await self._connect({})
        connection = await self._connect(self._settings() | _BY_INDEX | settings)
        if self.durability == "full":
            try:
                await connection.execute(_WAIT_FOR_DISK)
            except BaseException:
                connection.terminate()
                raise
        return connection

    async def dial_session(self) -> Connection:
        """A connection that keeps its state, for listening. What it writes needn't be on the disk.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: there is none to be had.
        """
        return await self._connect(self._settings() | {"synchronous_commit": "off"}, self.address.session)

    async def _connect(self, settings: dict[str, str], session: tuple[str, int] | None = None) -> Connection:
        host, port = session or (None, None)
        connection: Connection = await asyncpg.connect(
            self.address.dsn,
            host=host,
            port=port,
            timeout=self.limits.connect,
            command_timeout=self.limits.statement + self.limits.lock + _CLEANUP,
            server_settings=settings,
        )
        try:
            await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _settings(self) -> dict[str, str]:
        limits = self.limits
        settings = {
            "application_name": "headwater",
            "jit": "off",
            "lock_timeout": _milliseconds(limits.lock),
            "statement_timeout": _milliseconds(limits.lock + limits.statement),
            "idle_in_transaction_session_timeout": _milliseconds(limits.statement),
        }
        if self._read_only:
            settings["default_transaction_read_only"] = "on"
        if self.durability == "relaxed":
            settings["synchronous_commit"] = "off"
        return settings


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1_000)))
