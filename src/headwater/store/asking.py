"""Questions that take their turn among the appends: an append that can only fail, and how it fails is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

from headwater.errors import (
    DuplicateEvent,
    HeadwaterError,
    InternalError,
    StoreError,
    StreamDeleted,
    WrongExpectedVersion,
)
from headwater.store.adapter import Append, AppendPart
from headwater.store.appending import AppendingStore
from headwater.store.encoding import NOWHERE
from headwater.store.model import NewEvent

_NO_VERSION: Final = -1
_PROBE: Final = "headwater.probe"


class AskingStore(AppendingStore):
    """Asks what the log holds at a place in the order of appends. See `EventStore`."""

    def holds(self, stream: str, id: UUID) -> asyncio.Future[bool]:  # noqa: A002 - the field's term
        """Whether an event of this identifier is in the log, wherever: an answer that takes its turn among the appends.

        So it counts those that were submitted before, and none that is submitted later.

        Args:
            stream: where the event is looked for first.
            id: the event's identifier.

        Raises:
            StoreClosed, StoreReadOnly, StoreOverloaded: see `submit`.
            StorageFailed: the storage could not be read; through the answer.
        """
        return self._ask([_part(stream, _NO_VERSION, id)], _is_duplicate, idempotent=True)

    def stands_at(self, stream: str, version: int) -> asyncio.Future[bool]:
        """Whether an append that expects this version would fit, in its turn among the appends.

        To be asked before a decision is answered that appends nothing, where others write to the log too: if it was
        decided upon this version, and this is true, then it was true at a moment after the question. What is asked
        together is answered by one round trip.

        Args:
            stream: the stream's name.
            version: as for `submit`. A stream that is closed for ever stands at 0: nothing can be read from it.

        Raises:
            StoreClosed, StoreReadOnly, StoreOverloaded: see `submit`.
            StorageFailed: the storage could not be read; through the answer.
        """
        nobody = UUID(int=0)
        # The second part fails if the first one doesn't.
        parts = [_part(stream, version, nobody), _part(stream, _NO_VERSION, nobody)]
        return self._ask(parts, partial(_fits, version), idempotent=False)

    def _ask(
        self, parts: list[AppendPart], meaning: Callable[[StoreError], bool], *, idempotent: bool
    ) -> asyncio.Future[bool]:
        question = Append(parts, NOWHERE, idempotent=idempotent)
        self._outlet.submit(question)
        answer: asyncio.Future[bool] = self._loop.create_future()
        question.tell(partial(_tell, answer, meaning, question))
        return answer


def _part(stream: str, expected: int, id_: UUID) -> AppendPart:
    return AppendPart(stream, expected, [NewEvent(_PROBE, 1, b"null", id_.bytes)])


def _is_duplicate(refusal: StoreError) -> bool:
    return isinstance(refusal, DuplicateEvent)


def _fits(version: int, refusal: StoreError) -> bool:
    if isinstance(refusal, WrongExpectedVersion):
        return refusal.expected == f"version {_NO_VERSION}"
    return version == 0


def _tell(answer: asyncio.Future[bool], meaning: Callable[[StoreError], bool], question: Append) -> None:
    if answer.done():
        return
    error = question.outcome
    if isinstance(error, WrongExpectedVersion | StreamDeleted | DuplicateEvent):
        answer.set_result(meaning(error))
    elif isinstance(error, HeadwaterError):
        answer.set_exception(error)
    else:
        answer.set_exception(InternalError("an append that can only fail has succeeded"))
