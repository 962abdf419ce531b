"""Attributes that are stored together, by their annotations. Pure."""

from __future__ import annotations

from typing import ClassVar

from headwater.sourcing.state_codec import StateCodec


class StoredState:
    """The base of what has a state in its attributes: aggregates, tables' views and process managers."""

    _unstored: ClassVar[frozenset[str]] = frozenset()
    """Attributes that aren't part of the state."""

    _codec: ClassVar[StateCodec | None] = None

    def dump_state(self) -> bytes:
        """The state as bytes, for a snapshot: the attributes, encoded by their annotations as MessagePack.

        The identifier of an aggregate isn't among them, nor the table of a view. Override it together with
        `load_state` where that doesn't fit.

        Raises:
            DefinitionError: an attribute has no annotation, or can't be encoded.
        """
        return self._state_codec().dump(vars(self))

    def load_state(self, data: bytes) -> None:
        """Take over the state that `dump_state` has given. Called on a new object; a view's rows are there already.

        Raises:
            Exception: the bytes don't fit. The snapshot is ignored then.
        """
        for name, value in self._state_codec().load(data).items():
            setattr(self, name, value)

    @classmethod
    def _state_codec(cls) -> StateCodec:
        found: StateCodec | None = vars(cls).get("_codec")  # each class has its own, made when it is needed
        if found is None:
            found = cls._codec = StateCodec(cls, cls._unstored)
        return found
