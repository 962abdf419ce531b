"""Commands that wait in the log: to JSON and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from headwater.errors import CodecError, Undecodable, UnknownCommand, one_of
from headwater.sourcing.messages import Command


class StoredCommand(msgspec.Struct, frozen=True):
    """A command as it lies in the log.

    Attributes:
        type: its type name.
        schema: the schema version of the type.
        data: its fields, as JSON.
    """

    type: str
    schema: int
    data: msgspec.Raw

    def same(self, other: StoredCommand | None) -> bool:
        """Whether both are of one type and have the same fields."""
        if other is None or (self.type, self.schema) != (other.type, other.schema):
            return False
        return bool(msgspec.json.decode(self.data) == msgspec.json.decode(other.data))


class CommandCodec:
    """Encodes the commands of one application.

    Args:
        commands: the classes of its commands. Two may share a type name, as long as neither has to be encoded.
    """

    def __init__(self, commands: Iterable[type[Command]]) -> None:
        self._classes: Final[dict[tuple[str, int], list[type[Command]]]] = {}
        self._encoder: Final = msgspec.json.Encoder()
        for command in commands:
            known = self._classes.setdefault(command.type_name, [])
            if command not in known:
                known.append(command)

    def encode(self, command: Command) -> StoredCommand:
        """The command as it is put into the log.

        Raises:
            UnknownCommand: nobody decides it, so that it could never be dispatched.
            CodecError: another command has the same type name, or a field doesn't fit into JSON.
        """
        kind = type(command)
        known = self._classes.get(kind.type_name, [])
        if kind not in known:
            names = sorted(one.__qualname__ for classes in self._classes.values() for one in classes)
            raise UnknownCommand(f"no aggregate decides {kind.__qualname__}; known: {one_of(names)}")
        if len(known) > 1:
            classes = " and ".join(f"{one.__module__}.{one.__qualname__}" for one in known)
            raise CodecError(f"{classes} are both called {kind.type_name} in the log: give one of them another name")
        try:
            return StoredCommand(*kind.type_name, msgspec.Raw(self._encoder.encode(command)))
        except (TypeError, ValueError, OverflowError) as error:
            raise CodecError(f"a {kind.__qualname__} could not be encoded: {error}") from error

    def decode(self, stored: StoredCommand) -> Command:
        """The command that was put into the log.

        Raises:
            UnknownCommand: no class of this type name is known any more.
            Undecodable: the JSON doesn't fit the class.
        """
        known = self._classes.get((stored.type, stored.schema))
        if known is None:
            raise UnknownCommand(f"no class of commands is called {stored.type} v{stored.schema}")
        try:
            return msgspec.json.decode(stored.data, type=known[0])
        except msgspec.DecodeError as error:
            name = f"{stored.type} v{stored.schema}"
            raise Undecodable(f"a {name} could not be decoded: {error}", name=stored.type) from error
