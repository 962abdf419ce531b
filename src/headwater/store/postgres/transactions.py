"""The connection that writes: one transaction at a time, and what became of it if the connection was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

import msgspec

from headwater.clock import Clock
from headwater.errors import InternalError, OutcomeUnknown
from headwater.store.adapter import Append
from headwater.store.postgres import facts
from headwater.store.postgres.catalogue import Catalogue
from headwater.store.postgres.connection import Connection, Dialer
from headwater.store.postgres.draft import WRITE, Draft, stream_names
from headwater.store.postgres.facts import Facts, Question
from headwater.store.postgres.failure import DRIVER, is_lost
from headwater.store.postgres.groups import InFlight, Outcome, Prepared
from headwater.store.postgres.schema import quoted
from headwater.store.postgres.task import Scope, Task

REMEMBERED_STREAMS: Final = 100_000

_BEGIN: Final = "BEGIN; SET LOCAL lock_timeout = {lock}; SELECT FROM {s}.head FOR UPDATE"
_REVISION: Final = "SELECT revision FROM {s}.head"
_FENCE: Final = "UPDATE {s}.head SET revision = revision + 1 WHERE revision = $1 RETURNING true"
_PRESENT: Final = "SELECT EXISTS (SELECT FROM {s}.events WHERE position = $1 AND id = $2)"
_CHANGED: Final = "UPDATE {s}.head SET revision = revision + 1, streams = $1"

T = TypeVar("T")


class Transactions:
    """Writes groups of appends, and changes. Used by one task at a time.

    When the connection is lost, whatever was called raises; the next call dials anew. If `in_doubt` holds then,
    `resolve` must be called first.

    Args:
        dialer: makes the connection.
        clock: for the time at which events are recorded.
    """

    def __init__(self, dialer: Dialer, clock: Clock) -> None:
        self._dialer: Final = dialer
        self._clock: Final = clock
        self._schema: Final = quoted(dialer.address.schema)
        self._facts: Final = facts.statement(self._schema)
        self._write: Final = WRITE.format(s=self._schema)
        self._catalogue: Final = Catalogue(REMEMBERED_STREAMS)
        self._connection: Connection | None = None
        self._in_flight: InFlight | None = None
        self._prepared: Prepared | None = None
        self._alone = True  # whether nobody else has written between our last two transactions
        self._left_at = -1  # the revision behind the last of them

    @property
    def in_doubt(self) -> bool:
        """Whether something was sent of which it isn't known whether it was committed."""
        return self._in_flight is not None

    async def connection(self) -> Connection:
        """The connection; a new one if there is none any more.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: there is none to be had.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._dialer.dial_writer()
            self._catalogue.forget()
        return self._connection

    async def append(
        self, appends: Sequence[Append], following: Callable[[], Sequence[Append]] = tuple
    ) -> list[Outcome]:
        """Commit the appends whose conditions hold, and say what became of each.

        Args:
            appends: the group.
            following: gives the next group, or nothing, as soon as this one is under way. It is drafted meanwhile, and
                passed to the next call.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: nothing was committed, or
                `in_doubt` holds.
            StorageFailed: nothing was committed.
        """
        if self._alone:
            outcomes = await self._append_prepared(appends, following)
            if outcomes is None and self._alone:
                outcomes = await self._append_at_once(appends, following)
            if outcomes is not None:
                return outcomes
        return await self._append_locked(appends)

    async def change(self, task: Task[T]) -> T:
        """Carry out a change, and commit it.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, StorageFailed: see `append`.
            StoreError: what the task raised; nothing was changed.
        """
        connection = await self.connection()
        async with self._locked(connection):
            known = await facts.ask(connection, self._facts, Question(tuple(task.streams), (), ()), self._catalogue)
            head = self._catalogue.head
            scope = Scope(connection, self._schema, head, dict(known.streams))
            result = await task.run(scope)
            await connection.execute(_CHANGED.format(s=self._schema), scope.highest_stream)
            self._in_flight = InFlight(head.revision, None, [])
        self._in_flight = None
        head = msgspec.structs.replace(head, revision=head.revision + 1, streams=scope.highest_stream)
        self._catalogue.adopt(head, scope.streams, {})
        return result

    async def resolve(self) -> list[Outcome] | None:
        """Find out whether what was in flight was committed, and see to it that it won't be from now on.

        Returns:
            The outcomes, when it was. None when it wasn't: it can be tried again.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError: it is as unknown as before.
            OutcomeUnknown: a change was in flight, and the log was written to, by it or by others.
        """
        flight = self._in_flight
        if flight is None:
            return None
        connection = await self.connection()
        # Waits for the lock, should the server still be at work. Afterwards the revision is another one in any case.
        fenced = await connection.fetchval(_FENCE.format(s=self._schema), flight.revision)
        if fenced:
            self._in_flight = None
            return None
        if flight.draft is None:
            self._in_flight = None
            raise OutcomeUnknown("the connection was lost while a change was committed: look whether it was", ids=())
        present = await connection.fetchval(_PRESENT.format(s=self._schema), *flight.draft.first())
        self._in_flight = None
        return flight.outcomes if present else None

    def drop(self) -> None:
        """The connection was lost, or the server doesn't answer any more: don't use it again."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def abandon(self) -> None:
        """Whoever waits for what is in flight is told that it is unknown."""
        self._in_flight = None
        self._catalogue.forget()

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            await hang_up(self._connection)

    # --- appends -----------------------------------------------------------------------------------------------

    async def _append_prepared(
        self, appends: Sequence[Append], following: Callable[[], Sequence[Append]]
    ) -> list[Outcome] | None:
        """By a single statement, drafted before. None if there is no such draft, or it doesn't hold."""
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared.appends != appends:
            return None
        connection = await self.connection()
        if prepared.base is not self._catalogue.head:
            return None
        return await self._commit_at_once(connection, prepared.draft, prepared.outcomes, following)

    async def _append_at_once(
        self, appends: Sequence[Append], following: Callable[[], Sequence[Append]]
    ) -> list[Outcome] | None:
        """By a single statement, upon what is known. None if somebody else has written, or it is too much for one."""
        connection = await self.connection()
        catalogue = self._catalogue
        known, revision = Facts(), catalogue.head.revision
        question = Question.of(appends, catalogue.unknown(stream_names(appends)))
        asked = not question.empty or not catalogue.fresh
        if asked:
            known = await facts.ask(connection, self._facts, question, catalogue)
            if revision not in (-1, catalogue.head.revision):
                self._alone = False
                return None
        draft, outcomes = self._draft(appends, known)
        if draft.changed:
            return await self._commit_at_once(connection, draft, outcomes, following)
        self._alone = asked or await self._unmoved(connection)
        if not self._alone:
            return None
        self._adopt(draft)
        return outcomes

    async def _commit_at_once(
        self, connection: Connection, draft: Draft, outcomes: list[Outcome], following: Callable[[], Sequence[Append]]
    ) -> list[Outcome] | None:
        if len(draft.chunks()) > 1:
            return None
        self._in_flight = InFlight(draft.revision, draft, outcomes)
        if appends := following():
            sending = asyncio.ensure_future(self._send(connection, draft))
            await asyncio.sleep(0)  # it is handed to the event loop,
            await asyncio.sleep(0)  # and goes out
            self._prepare(draft, appends)
            self._alone = await sending
        else:
            self._alone = await self._send(connection, draft)
        if not self._alone:
            return None
        self._adopt(draft)
        return outcomes

    def _prepare(self, draft: Draft, appends: Sequence[Append]) -> None:
        """Draft the next group upon what is under way, unless something has to be asked first."""
        successor = draft.successor(appends, self._clock.wall() // 1_000)
        if successor is None:
            return
        try:
            outcomes = [successor.add(append) for append in appends]
        except ValueError:
            return  # one of them has data that is no text: it will fail in its own turn
        if successor.changed:
            self._prepared = Prepared(appends, draft.chunks()[-1].head, successor, outcomes)

    async def _append_locked(self, appends: Sequence[Append]) -> list[Outcome]:
        """In a transaction that holds the log's lock from its beginning."""
        connection = await self.connection()
        async with self._locked(connection):
            question = Question.of(appends, dict.fromkeys(stream_names(appends)))
            known = await facts.ask(connection, self._facts, question, self._catalogue)
            draft, outcomes = self._draft(appends, known)
            if draft.changed:
                self._in_flight = InFlight(draft.revision, draft, outcomes)
                if not await self._send(connection, draft):
                    raise InternalError("the log was written to by somebody who did not hold its lock")
        self._in_flight = None
        self._alone = self._left_at == draft.revision
        self._adopt(draft)
        return outcomes

    def _adopt(self, draft: Draft) -> None:
        if draft.changed:
            draft.adopt()
        self._left_at = self._catalogue.head.revision

    def _draft(self, appends: Sequence[Append], known: Facts) -> tuple[Draft, list[Outcome]]:
        draft = Draft(self._catalogue, known, self._clock.wall() // 1_000)
        return draft, [draft.add(append) for append in appends]

    async def _send(self, connection: Connection, draft: Draft) -> bool:
        """Whether the log was at the draft's revision, and the rows were added."""
        for chunk in draft.chunks():
            try:
                added = await connection.fetchval(self._write, *chunk.arguments())
            except Exception as error:
                if not is_lost(error):
                    self._in_flight = None
                raise
            if not added:
                self._in_flight = None
                return False
        if not connection.is_in_transaction():
            self._in_flight = None
        return True

    async def _unmoved(self, connection: Connection) -> bool:
        """Whether nobody else has written, so that what was refused was refused rightly."""
        revision = await connection.fetchval(_REVISION.format(s=self._schema))
        return bool(revision == self._catalogue.head.revision)

    @asynccontextmanager
    async def _locked(self, connection: Connection) -> AsyncIterator[None]:
        lock = round(self._dialer.limits.lock * 1_000)
        try:
            await connection.execute(_BEGIN.format(s=self._schema, lock=lock))
            yield
            await connection.execute("COMMIT")
        except BaseException as error:
            if not is_lost(error):
                self._in_flight = None
            await self._roll_back(connection)
            raise

    async def _roll_back(self, connection: Connection) -> None:
        self._catalogue.forget()
        try:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
        except DRIVER:
            connection.terminate()


async def hang_up(connection: Connection) -> None:
    """Close a connection, whatever state it is in."""
    with suppress(*DRIVER):
        await connection.close(timeout=1)
    connection.terminate()
