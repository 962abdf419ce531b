"""`headwater append`: an event by hand."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Final
from uuid import UUID

import msgspec
import typer

from headwater.cli.opening import DATABASE_ARGUMENT, JSON_OPTION, load_application, open_for_writing
from headwater.cli.output import complain, print_answer
from headwater.codec import Codec, TypeName
from headwater.errors import CodecError, HeadwaterError, WrongExpectedVersion
from headwater.store.encoding import NOWHERE, make_context
from headwater.store.model import Appended, Context, Expected, ExpectedVersion, NewEvent
from headwater.types import IdSource

CONFLICT: Final = 3
"""The exit code when the stream is at another version than was expected: read again, decide again."""

_EXPECTED: Final = {"any": Expected.ANY, "none": Expected.NO_STREAM, "exists": Expected.EXISTS}


class NotExpectable(HeadwaterError):
    """The text names no version that a stream could be expected to be at."""


def append(
    database: Annotated[str, DATABASE_ARGUMENT],
    stream: Annotated[str, typer.Argument(help="The stream to append to.")],
    type: Annotated[str, typer.Argument(help="The event's type name.")],  # noqa: A002 - the field's term
    data: Annotated[str | None, typer.Argument(help="The event as JSON; standard input, if not given.")] = None,
    expected: Annotated[
        str, typer.Option(help="The version the stream must be at; or any, none (no stream) or exists.")
    ] = "any",
    schema: Annotated[int, typer.Option(min=1, help="The type's schema version.")] = 1,
    tag: Annotated[list[str] | None, typer.Option(help="What the event can be found by; may be repeated.")] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object to keep beside the event.")] = None,
    id: Annotated[  # noqa: A002 - the field's term
        UUID | None, typer.Option(help="The event's identifier; it makes it harmless to do this again.")
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(help="The application, as package.module:variable: checks the event.", envvar="HEADWATER_APP"),
    ] = None,
    json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Append one event to a stream.

    With --app it must be an event of the application; its class gives its tags, and its personal fields are encrypted.
    Without, any JSON is taken as it is. Ends with exit code 3 if the stream is at another version than expected:
    nothing was appended then. Nobody else may write meanwhile.
    """
    codec = Codec() if app is None else load_application(app).codec
    text = sys.stdin.buffer.read().strip() if data is None else data.encode()
    event = NewEvent(type, schema, text, (id or IdSource().next()).bytes, tuple(tag or ()))
    if app is not None:
        event = _of_application(codec, event)
    work = _append(database, codec, stream, event, _version(expected), _context(metadata), idempotent=id is not None)
    try:
        done = asyncio.run(work)
    except WrongExpectedVersion as error:
        complain(str(error))
        raise typer.Exit(CONFLICT) from None
    print_answer(
        {"stream": stream, "version": int(done.version), "position": int(done.position), "id": UUID(bytes=event.id)},
        f"{stream} is at version {done.version}, the event at position {done.position}.",
        json=json,
    )


async def _append(
    database: str,
    codec: Codec,
    stream: str,
    event: NewEvent,
    expected: ExpectedVersion,
    context: Context,
    *,
    idempotent: bool,
) -> Appended:
    async with await open_for_writing(database, codec) as store:
        return await store.append_encoded(stream, [event], expected=expected, context=context, idempotent=idempotent)


def _of_application(codec: Codec, event: NewEvent) -> NewEvent:
    """The event as the application would have written it."""
    value = codec.decode(TypeName(event.type, event.schema), event.data)
    tagger = codec.types.tagger_of(value.__class__)
    _, data = codec.encode(value)
    tags = (*event.tags, *(() if tagger is None else tagger(value)))
    return NewEvent(event.type, event.schema, data, event.id, tags)


def _version(text: str) -> ExpectedVersion:
    if text in _EXPECTED:
        return _EXPECTED[text]
    if text.isdecimal():
        return int(text)
    raise NotExpectable(f"a stream is expected to be at a version such as 7, or any, none or exists, not {text!r}")


def _context(metadata: str | None) -> Context:
    if metadata is None:
        return NOWHERE
    try:
        return make_context(metadata=msgspec.json.decode(metadata, type=dict[str, object]))
    except msgspec.DecodeError as error:
        raise CodecError(f"metadata is a JSON object, not {metadata!r}: {error}") from error
