"""Values to bytes and back."""

from __future__ import annotations

from headwater.errors.base import HeadwaterError


class CodecError(HeadwaterError):
    """A value could not be encoded, or bytes could not be decoded."""


class UnknownType(CodecError):
    """A name and schema version for which no class is registered, or a class that is not registered.

    `position` is set when the name came out of a log.
    """

    def __init__(self, message: str, /, *, name: str, version: int | None = None, position: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.version = version
        self.position = position


class Undecodable(CodecError):
    """Bytes that do not fit their type. `position` is set when they came out of a log."""

    def __init__(self, message: str, /, *, name: str, position: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.position = position
