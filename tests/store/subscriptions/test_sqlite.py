"""What is particular to subscriptions in a file."""

from pathlib import Path

import pytest

from headwater.store.store import EventStore

from ..driving import Deposited, codec, scenario


@scenario
async def test_a_checkpoint_wakes_nobody_who_reads(tmp_path: Path) -> None:
    async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", codec()) as store:
        await store.append("s", [Deposited(1)])
        woken: list[int] = []
        store.watch(lambda: woken.append(1))
        async with store.subscription("mailer") as events:
            await events.ack(await anext(events))
            await events.flush()
        await store.reset_subscription("mailer")
        await store.delete_subscription("mailer")
        assert woken == []
        await store.append("s", [Deposited(2)])
        assert woken == [1]


@pytest.mark.row("ES-16")
@scenario
async def test_a_checkpoint_takes_its_place_behind_what_was_queued_before(tmp_path: Path) -> None:
    async with await EventStore.open(f"sqlite:///{tmp_path}/events.db", codec()) as store:
        await store.append("s", [Deposited(1)])
        async with store.subscription("mailer", checkpoint_every=1) as events:
            event = await anext(events)
            appends = [store.submit("s", [Deposited(number)]) for number in range(50)]
            await events.ack(event)
            await events.flush()
            info = await store.subscription_info("mailer")
            assert info is not None
            assert info.checkpoint == 1
            assert all(append.answer.done() for append in appends)
