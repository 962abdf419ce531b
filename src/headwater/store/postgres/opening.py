"""From an address to a database whose tables are there."""

from __future__ import annotations

from typing import Final, NamedTuple

from headwater.clock import Clock
from headwater.store.postgres import schema
from headwater.store.postgres.address import PostgresAddress
from headwater.store.postgres.connection import Connection, Dialer, Limits
from headwater.store.postgres.failure import DRIVER, storage_failure
from headwater.store.postgres.transactions import Transactions
from headwater.store.url import Durability

_FSYNC: Final = "SELECT current_setting('fsync') = 'on'"


class Opened(NamedTuple):
    """A database that can be worked with.

    Attributes:
        dialer: makes connections.
        durability: what the server does about it.
        transactions: to write through; None in a store that only reads.
    """

    dialer: Dialer
    durability: Durability
    transactions: Transactions | None


async def connect(
    address: PostgresAddress,
    clock: Clock,
    *,
    read_only: bool,
    create: bool,
    durability: Durability,
    limits: Limits,
) -> Opened:
    """Open a schema of a database.

    Raises:
        NotAStore, NewerSchema, StorageFailed: see `PostgresAdapter.open`.
    """
    dialer = Dialer(address, limits, durability, read_only=read_only)
    transactions = None if read_only else Transactions(dialer, clock)
    try:
        connection = await dialer.dial() if transactions is None else await transactions.connection()
        try:
            fsync = await _prepare(connection, address, read_only=read_only, create=create)
        except BaseException:
            connection.terminate()
            raise
        if read_only:
            connection.terminate()
    except DRIVER as error:
        raise storage_failure(address.location, error) from error
    return Opened(dialer, durability if fsync else "relaxed", transactions)


async def _prepare(connection: Connection, address: PostgresAddress, *, read_only: bool, create: bool) -> bool:
    """Make sure of the tables. Whether the server writes to the disk when it says so."""
    if read_only:
        await schema.check(connection, address)
    else:
        await schema.prepare(connection, address, create=create)
    return bool(await connection.fetchval(_FSYNC))
