"""Whether a stream is what an append expects. Pure."""

from __future__ import annotations

from headwater.errors import StoreError, StreamDeleted, WrongExpectedVersion
from headwater.store.model import Expected, ExpectedVersion


def unmet(stream: str, expected: ExpectedVersion, version: int, first: int, *, tombstoned: bool) -> StoreError | None:
    """The error that an append gets, or None if the stream is as expected.

    Args:
        stream: the stream's name.
        expected: what the append expects.
        version: the stream's version; 0 when it never had an event.
        first: the lowest version that can be read.
        tombstoned: whether the stream is closed for ever.
    """
    if expected is Expected.ANY and not tombstoned:
        return None
    if tombstoned:
        return StreamDeleted(f"stream {stream!r} was closed for ever, at version {version}")
    if holds(expected, version, readable=version >= first):
        return None
    return WrongExpectedVersion(stream, _words(expected), version)


def holds(expected: ExpectedVersion, version: int, *, readable: bool) -> bool:
    """Whether an expectation fits a stream at this version, some of whose events can be read, or none."""
    if expected is Expected.ANY:
        return True
    if expected is Expected.NO_STREAM or expected == 0:
        return not readable
    if expected is Expected.EXISTS:
        return readable
    return expected == version


def _words(expected: ExpectedVersion) -> str:
    return expected.value if isinstance(expected, Expected) else f"version {expected}"
