"""Appending what is encoded already: for tools that know no classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from headwater.errors import CodecError
from headwater.store.adapter import Append, AppendPart
from headwater.store.appending import AppendingStore
from headwater.store.encoding import NOWHERE
from headwater.store.model import Appended, Context, Expected, ExpectedVersion, NewEvent
from headwater.store.naming import check_stream_name, check_tags
from headwater.store.observed_append import APPEND
from headwater.store.query import AppendCondition

_json: Final = msgspec.json.Decoder()


class EncodedStore(AppendingStore):
    """Appends JSON. See `EventStore`."""

    async def append_encoded(
        self,
        stream: str,
        events: Sequence[NewEvent],
        *,
        expected: ExpectedVersion = Expected.ANY,
        condition: AppendCondition | None = None,
        context: Context = NOWHERE,
        idempotent: bool = False,
    ) -> Appended:
        """Like `append`, of events whose classes need not be known; they are not checked against any.

        Personal fields of types that the codec doesn't know are stored as they are.

        Args:
            stream: the stream's name.
            events: at least one. Their data must be JSON.
            expected: see `append`.
            condition: see `append`.
            context: where they come from; see `make_context`.
            idempotent: whether their ids may be in the log, by this very append.

        Raises:
            CodecError: the data of an event is not JSON, its type has no name, or its schema version is below 1.
            WrongExpectedVersion, …: see `append`.
        """
        check_stream_name(stream)
        if not events:
            raise ValueError(f"an append to {stream!r} needs at least one event")
        part = AppendPart(stream, expected, [_checked(event) for event in events])
        stored_condition = self._condition_as_stored(condition)
        append = Append((part,), context, condition=stored_condition, idempotent=idempotent)
        with self.telemetry.span(APPEND, stream=stream, events=len(events)) as span:
            if not self._submitted(append):
                await self._submit_in_turn(append)
            appended = await append.answer
            span.set(position=appended.position, version=appended.version)
            return appended


def _checked(event: NewEvent) -> NewEvent:
    try:
        _json.decode(event.data)
        event.data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CodecError(f"the data of a {event.type} is not JSON: {error}") from error
    if not event.type or event.schema < 1:
        raise CodecError(f"a type has a name and a schema version from 1, not {event.type!r} and {event.schema}")
    return msgspec.structs.replace(event, tags=check_tags(event.tags))
