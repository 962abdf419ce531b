"""Events with personal fields, and stores that keep them."""

from pathlib import Path

from headwater import Codec, Event, EventStore, Personal
from headwater.clock import Clock
from headwater.store.master_key import MasterKeys
from headwater.store.memory import MemoryAdapter

MASTER = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="


class Address(Event):
    street: str
    number: int


class Registered(Event, subject="person", tags=("person",)):
    person: str
    name: Personal[str]
    address: Personal[Address] = None
    newsletter: bool = False


class Paid(Event):
    amount: int


def codec() -> Codec:
    return Codec.of(Registered, Paid)


async def opened(
    directory: Path, *, master: str | None = MASTER, clock: Clock | None = None, read_only: bool = False
) -> EventStore:
    url = f"sqlite:///{directory / 'events.db'}"
    return await EventStore.open(url, codec(), clock=clock, read_only=read_only, master_key=master)


async def in_memory(directory: Path, *, clock: Clock | None = None) -> EventStore:
    store = EventStore(MemoryAdapter(clock), codec(), clock=clock)
    store.vault.unlock(MasterKeys(MASTER))
    return store


async def events_of(store: EventStore) -> list[object]:
    return [recorded.event async for recorded in store.read_all()]
