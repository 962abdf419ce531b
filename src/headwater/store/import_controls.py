"""What an export has besides events, put where it was: each is done once, however often it is asked for."""

from __future__ import annotations

from headwater.errors import BrokenExport
from headwater.store.adapter import StoreAdapter
from headwater.store.key_adapter import SubjectKey
from headwater.store.line import Key, Links, Mark
from headwater.store.model import Expected


async def take_control(adapter: StoreAdapter, control: Links | Mark | Key, line: int) -> None:
    """Do what a line says.

    Raises:
        BrokenExport: it can't be done here.
        StreamDeleted, EventNotFound, DuplicateEvent: neither can that.
    """
    if isinstance(control, Links):
        await _link(adapter, control, line)
    elif isinstance(control, Mark):
        await _mark(adapter, control, line)
    elif control.wrapped is None:
        await adapter.keys.forget(control.subject)
    else:
        await adapter.keys.create([SubjectKey(control.subject, control.wrapped, control.master)])


async def _link(adapter: StoreAdapter, links: Links, line: int) -> None:
    info = await adapter.stream_info(links.stream)
    version = 0 if info is None else int(info.version)
    if version < links.version - 1:
        raise BrokenExport(
            line, f"stream {links.stream!r} is at version {version}, no link {links.version} can be next"
        )
    missing = links.positions[version - links.version + 1 :]
    if missing:
        await adapter.link(links.stream, missing, Expected.ANY)


async def _mark(adapter: StoreAdapter, mark: Mark, line: int) -> None:
    info = await adapter.stream_info(mark.stream)
    if info is not None and info.tombstoned:
        return
    if mark.tombstoned:
        await adapter.tombstone(mark.stream, Expected.ANY)
    elif info is None:
        raise BrokenExport(line, f"there is no stream {mark.stream!r} of which something could be hidden")
    elif info.first_version != mark.first:
        await adapter.truncate(mark.stream, mark.first, Expected.ANY)
