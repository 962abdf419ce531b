"""Tenants: a store for each, opened on demand, closed when others need the room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import Application, EventStore, Tenants
from headwater.errors import ApplicationError, DeadlineExceeded, DefinitionError, InvalidTenant, StorageFailed
from headwater.testing.clock import VirtualClock
from tests.bank import Account, BalanceOf, Balances, Deposit, bank
from tests.sql_bank import Ledger


def tenants_in(folder: Path, **more: int) -> Tenants:
    return Tenants(bank(folder), lambda tenant: f"sqlite:///{folder}/{tenant}.db", **more)


async def deposit(tenants: Tenants, tenant: str, amount: int) -> int:
    """Deposit, and give the balance then."""
    async with tenants.application(tenant) as application:
        await application.dispatch(Deposit("a", amount), wait_for=[Balances])
        return await application.query(BalanceOf("a"))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.row("BC-10", "CM-01")
def test_each_tenant_has_a_store_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with tenants_in(tmp_path) as tenants:
            names = ["acme", "bolt", "x-1_y"]
            for round_ in range(1, 4):
                amounts = [round_ * 10 + place for place in range(len(names))]
                await asyncio.gather(*(deposit(tenants, *one) for one in zip(names, amounts, strict=True)))
            async with tenants.application("bolt") as one, tenants.application("bolt") as again:
                assert one is again, "everybody's, as long as it is open"
                assert one.name == "bank bolt"
                assert await one.query(BalanceOf("a")) == 11 + 21 + 31
                assert [recorded.event async for recorded in one.store.read_all() if recorded.position > 3] == []
        codec = bank(tmp_path).codec
        for place, name in enumerate(names):
            async with await EventStore.open(f"sqlite:///{tmp_path}/{name}.db", codec, read_only=True) as store:
                found = [getattr(recorded.event, "amount", None) async for recorded in store.read_all()]
                assert found == [10 + place, 20 + place, 30 + place]
        assert not (tmp_path / "bank.db").exists(), "the definition itself isn't run"

    asyncio.run(main())


@pytest.mark.row("BC-10")
def test_the_one_that_was_unused_the_longest_makes_room(tmp_path: Path) -> None:
    async def main() -> None:
        async with tenants_in(tmp_path, max_open=2) as tenants:
            await deposit(tenants, "a", 1)
            await deposit(tenants, "b", 1)
            await deposit(tenants, "a", 1)
            await deposit(tenants, "c", 1)
            assert list(tenants.open) == ["a", "c"]
            async with tenants.application("a") as in_use:
                assert await deposit(tenants, "b", 1) == 2, "as it was when it was closed"
                assert list(tenants.open) == ["a", "b"], "one that is in use stays"
                assert await in_use.query(BalanceOf("a")) == 2
                assert not await tenants.close("a")
                assert await tenants.close("b")
                assert list(tenants.open) == ["a"]
        assert not tenants.open

    asyncio.run(main())


@pytest.mark.row("BC-10")
def test_whoever_finds_no_room_waits_for_a_turn_or_gives_up() -> None:
    clock = VirtualClock()
    definition = Application("bank", store="memory://", aggregates=[Account], projections=[Balances], clock=clock)

    async def main() -> None:
        async with Tenants(definition, lambda _: "memory://", max_open=1) as tenants:
            order: list[str] = []

            async def use(tenant: str) -> None:
                async with tenants.application(tenant, timeout=None):
                    order.append(tenant)

            async with tenants.application("first"):
                hurried = asyncio.create_task(deposit(tenants, "hurried", 1))
                await settle()
                patient = [asyncio.create_task(use(tenant)) for tenant in ("p", "q", "first")]
                await settle()
                clock.advance(5.0)
                with pytest.raises(DeadlineExceeded, match="opening tenant 'hurried' did not end within 5"):
                    await hurried
                assert order == ["first"], "who wants one that is open needs no turn"
            await asyncio.gather(*patient)
            assert order == ["first", "p", "q"]

    asyncio.run(main())


@pytest.mark.row("BC-10")
@settings(max_examples=20, deadline=None)
@given(st.integers(), st.integers(1, 3), st.integers(2, 25))
def test_never_more_than_allowed_are_open_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, seed: int, max_open: int, users: int
) -> None:
    """Users come and go, some of them are cancelled; each deposit that was answered is there, in the right store."""
    folder, rng = tmp_path_factory.mktemp("tenants"), Random(seed)
    answered: dict[str, list[int]] = {name: [] for name in "abcd"}

    async def user(tenants: Tenants, number: int) -> None:
        tenant = rng.choice("abcd")
        async with tenants.application(tenant, timeout=None) as application:
            assert len(tenants.open) <= max_open
            await application.dispatch(Deposit("a", number + 1))
            answered[tenant].append(number + 1)
            if rng.random() < 0.5:
                await asyncio.sleep(0)

    async def main() -> None:
        async with tenants_in(folder, max_open=max_open) as tenants:
            running = [asyncio.create_task(user(tenants, number)) for number in range(users)]
            for task in running:
                if rng.random() < 0.2:
                    await asyncio.sleep(0)
                    task.cancel()
            await asyncio.wait(running)
            assert all(task.cancelled() or task.exception() is None for task in running)
            for name in "abcd":
                async with tenants.application(name) as application:
                    events = [getattr(one.event, "amount", 0) async for one in application.store.read_all()]
                    assert set(answered[name]) <= set(events)
                    assert len(events) == len(set(events)), "each once"

    asyncio.run(main())


async def _refused(work: Callable[[], Awaitable[object]], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        await work()


@pytest.mark.row("BC-10")
def test_what_is_no_tenant_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        tenants = tenants_in(tmp_path)
        await _refused(lambda: deposit(tenants, "a", 1), ApplicationError, "not running")
        async with tenants:
            for name in ("", "../bank", "Acme", "a/b", "a b", "-a", "a" * 64, "a\n", "ä"):
                await _refused(lambda name=name: deposit(tenants, name, 1), InvalidTenant, "lower-case")  # type: ignore[misc]
            await _refused(tenants.__aenter__, ApplicationError, "already")
            assert not tenants.open
        same = Tenants(bank(tmp_path), lambda _: f"sqlite:///{tmp_path}/one.db")
        async with same:
            await deposit(same, "a", 1)
            await _refused(
                lambda: deposit(same, "b", 1), InvalidTenant, "the store of tenant 'b' is that of tenant 'a'"
            )
        broken = Tenants(bank(tmp_path), lambda _: f"sqlite:///{tmp_path}/no/such/folder.db", max_open=1)
        async with broken:
            for name in "ab":  # the first one takes no room away
                await _refused(lambda name=name: deposit(broken, name, 1), StorageFailed, "folder")  # type: ignore[misc]
            assert broken.open == ()

    asyncio.run(main())
    with pytest.raises(ValueError, match="at least 1"):
        tenants_in(tmp_path, max_open=0)


def test_who_uses_one_when_all_are_closed_has_what_was_dispatched(tmp_path: Path) -> None:
    async def main() -> None:
        tenants = tenants_in(tmp_path)
        async with tenants:
            entered = tenants.application("a")
            application = await entered.__aenter__()
            await application.dispatch(Deposit("a", 3))
            under_way = asyncio.ensure_future(application.dispatch(Deposit("a", 4)))
            await asyncio.sleep(0)
        assert (await under_way).version == 2
        await entered.__aexit__(None, None, None)
        async with tenants, tenants.application("a") as again:
            assert await again.query(BalanceOf("a")) == 7, "they can be run again"

    asyncio.run(main())


@pytest.mark.row("BC-10")
def test_a_view_in_one_database_for_all_is_refused(tmp_path: Path) -> None:
    class Shared(Ledger, database=f"sqlite:///{tmp_path}/shared.db"): ...

    definition = Application("bank", store="memory://", aggregates=[Account], projections=[Shared])
    with pytest.raises(DefinitionError, match="Shared says in which database it is, and all tenants would share"):
        Tenants(definition, lambda tenant: f"sqlite:///{tmp_path}/{tenant}.db")
