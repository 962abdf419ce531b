"""How events are written: JSON, by a codec that can be replaced."""

import asyncio
import base64
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import apsw
import msgspec
import pytest

from headwater import Codec, Event, EventStore
from headwater.codec import TypeName, TypeRegistry


class Sold(Event, name="shop.sold", version=2):
    price: Decimal
    at: datetime
    by: UUID
    lines: dict[str, tuple[int, ...]]


class SoldBefore(Event, name="shop.sold"):
    price: int


@dataclass(frozen=True)
class Returned:
    reason: str


class Packed(Codec):
    """An own serialiser: what it writes is packed, and wrapped in a JSON string."""

    def encode(self, value: object) -> tuple[TypeName, bytes]:
        name, data = super().encode(value)
        return name, msgspec.json.encode(base64.b64encode(zlib.compress(data)).decode())

    def decode(self, name: TypeName, data: bytes | str) -> object:
        return super().decode(name, zlib.decompress(base64.b64decode(msgspec.json.decode(data, type=str))))


SOLD = Sold(
    Decimal("12.50"),
    datetime(2026, 1, 2, tzinfo=UTC),
    UUID(int=7),
    {"ä": (1, 2)},
)


@pytest.mark.row("ES-22")
@pytest.mark.parametrize("kind", [Codec, Packed])
def test_events_come_back_as_they_were_by_any_codec(tmp_path: Path, kind: type[Codec]) -> None:
    events = [SOLD, Returned("broken" * 50)]
    types = TypeRegistry([(Sold, Sold.type_name), (Returned, TypeName("Returned", 1))])
    types.register(SoldBefore, SoldBefore.type_name)

    async def main() -> None:
        for _ in range(2):
            async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", kind(types)) as store:
                await store.append("s", events)
                assert [e.event async for e in store.read_all()][-2:] == events

    asyncio.run(main())


@pytest.mark.row("ES-22")
def test_what_lies_in_the_file_is_json_that_any_tool_can_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", Codec.of(SoldBefore, Sold)) as store:
            await store.append("s", [SOLD])

    asyncio.run(main())
    connection = apsw.Connection(str(tmp_path / "events.db"), flags=apsw.SQLITE_OPEN_READONLY)
    query = "SELECT name, schema, data ->> '$.price', data ->> '$.lines.ä[1]' FROM events JOIN types ON types.id = type"
    assert connection.execute(query).fetchall() == [("shop.sold", 2, "12.50", 2)]
    connection.close()
