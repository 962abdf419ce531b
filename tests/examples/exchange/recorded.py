"""Events as a view gets them, without a log."""

import msgspec

from headwater import Recorded
from headwater.examples.exchange.messages import BookEvent
from headwater.store.model import StoredEvent

RECORDED_AT = 1_790_000_012_345_678


def recorded(event: BookEvent, position: int, instrument: str, *, time: int | None = None) -> Recorded:
    """The event, as if it lay at this position, with the market's time in milliseconds."""
    return Recorded(
        event,
        StoredEvent(
            position=position,
            stream=f"market-{instrument}",
            version=position,
            type=event.type_name.name,
            schema=event.type_name.version,
            data=msgspec.json.encode(event).decode(),
            id_bytes=position.to_bytes(16),
            microseconds=RECORDED_AT,
            causation_bytes=None,
            correlation_bytes=None,
            metadata_json=None if time is None else msgspec.json.encode({"time": time}).decode(),
        ),
    )
