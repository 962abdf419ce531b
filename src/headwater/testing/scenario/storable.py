"""Whether an event would come back from the log as it went in. Pure."""

from __future__ import annotations

from headwater.codec import Codec
from headwater.errors import CodecError
from headwater.sourcing.messages import Event
from headwater.testing.scenario.difference import difference, require


def require_storable(event: object) -> None:
    """Raise AssertionError unless an event can be written as JSON and read again, and is then the same.

    Raises:
        TypeError: it is no Event.
    """
    if not isinstance(event, Event):
        raise TypeError(f"a history is made of events, not of {event!r}")
    codec = Codec.of(type(event))
    try:
        again = codec.decode(*codec.encode(event))
    except CodecError as error:
        raise AssertionError(f"{event!r} can't be stored and read again: {error}") from error
    require(f"{event!r} would come back from the log as another one:", difference(event, again))


def tags_of(event: Event) -> tuple[str, ...]:
    """What an event can be found by in the log, in alphabetical order."""
    tagger = type(event).tagger
    return () if tagger is None else tuple(sorted(set(tagger(event))))
