"""What travels between nodes."""

from __future__ import annotations

from typing import Final

import msgspec

from headwater.codec import TypeName
from headwater.errors import Undecodable


class Packet(msgspec.Struct, frozen=True, array_like=True):
    """A broadcast on its way to other nodes.

    Attributes:
        topic: the topic.
        type: the message's type name.
        version: the message's schema version.
        data: the message, as the codec encodes it.
        dispatcher: the name of the dispatcher that hands it on there; None is plain delivery.
    """

    topic: str
    type: str
    version: int
    data: bytes
    dispatcher: str | None = None

    @property
    def type_name(self) -> TypeName:
        """What the message's class is called."""
        return TypeName(self.type, self.version)

    def encode(self) -> bytes:
        """The packet as bytes."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(data: bytes) -> Packet:
        """The packet that the bytes stand for.

        Raises:
            Undecodable: they stand for none.
        """
        try:
            return _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Undecodable(f"{len(data)} bytes from another node are no packet: {error}", name="packet") from error


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Packet)
