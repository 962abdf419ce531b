"""The next group is drafted while one is under way: whatever becomes of that one, each append is answered rightly."""

import asyncio
from collections.abc import Iterator

import pytest

from headwater.errors import InternalError, PipelineBroken, WrongExpectedVersion
from headwater.store.adapter import Append
from headwater.store.model import Appended, NewEvent
from headwater.store.postgres.transactions import Transactions
from headwater.store.store import EventStore
from headwater.store.verification import verify
from headwater.testing.conformance.store import Deposited, check_log, new_id, submit_raw

from .driving import Database, on_database

STREAMS = 8

_TERMINATE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'headwater' AND pid <> pg_backend_pid()
"""


@pytest.fixture
def prepared() -> Iterator[list[bool]]:
    """Whether what was drafted ahead was used, each time."""
    found: list[bool] = []
    real = Transactions._append_prepared

    async def spy(self: Transactions, *args: object) -> object:
        drafted = self._prepared is not None
        outcomes = await real(self, *args)  # type: ignore[arg-type]
        if drafted:
            found.append(outcomes is not None)
        return outcomes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transactions, "_append_prepared", spy)
        yield found


async def _warm(store: EventStore) -> None:
    for number in range(STREAMS):
        await store.append(f"s-{number}", [Deposited(0)])


def _chains(store: EventStore, length: int) -> list[list[Append]]:
    """To each stream appends that expect what the one before them leaves."""
    chains: list[list[Append]] = [[] for _ in range(STREAMS)]
    for version in range(1, length + 1):
        for number, chain in enumerate(chains):
            follows = chain[-1] if chain else None
            chain.append(store.submit(f"s-{number}", [Deposited(version)], expected=version, follows=follows))
    return chains


async def _outcomes(chain: list[Append]) -> list[object]:
    return list(await asyncio.gather(*(append.answer for append in chain), return_exceptions=True))


@pytest.mark.row("BS-04")
@on_database
async def test_order_and_expectations_hold_across_groups(database: Database, prepared: list[bool]) -> None:
    async with await database.open() as store:
        await _warm(store)
        chains = _chains(store, 80)
        for chain in chains:
            assert [answer.version for answer in await _outcomes(chain) if isinstance(answer, Appended)] == [
                *range(2, 82)
            ]
        assert prepared.count(True) >= 2
        assert await check_log(store) == STREAMS * 81
        assert (await verify(store)).broken is None


@on_database
async def test_who_follows_an_append_that_failed_fails_in_the_next_group_too(
    database: Database, prepared: list[bool]
) -> None:
    async with await database.open() as store:
        await _warm(store)
        first = store.submit("s-0", [Deposited(1)], expected=9)
        chains = _chains(store, 60)
        behind = [store.submit("s-0", [Deposited(2)], follows=first)]
        behind += [store.submit("s-0", [Deposited(3)], follows=behind[0])]
        for chain in chains:
            assert all(isinstance(answer, Appended) for answer in await _outcomes(chain))
        [wrong, *broken] = await _outcomes([first, *behind])
        assert isinstance(wrong, WrongExpectedVersion)
        assert all(isinstance(answer, PipelineBroken) for answer in broken)
        assert any(prepared)
        assert await check_log(store) == STREAMS * 61


@on_database
async def test_another_writer_makes_what_was_drafted_ahead_void(database: Database, prepared: list[bool]) -> None:
    async with await database.open() as one, await database.open() as other:
        await _warm(one)
        answers: list[object] = []
        for _ in range(4):
            appends = [store.submit(f"s-{n % STREAMS}", [Deposited(n)]) for n in range(300) for store in (one, other)]
            answers += await _outcomes(appends)
        positions = [answer.position for answer in answers if isinstance(answer, Appended)]
        assert sorted(positions) == list(range(STREAMS + 1, STREAMS + 2_401))
        assert await check_log(one) == STREAMS + 2_400
        assert (await verify(other)).broken is None


@on_database
async def test_data_that_is_no_text_fails_its_append_alone(database: Database, prepared: list[bool]) -> None:
    async with await database.open() as store:
        await _warm(store)
        appends = [
            submit_raw(
                store, [(f"s-{n % STREAMS}", [NewEvent("Deposited", 1, b"\xff" if n == 250 else b"1", new_id())])]
            )
            for n in range(400)
        ]
        answers = await _outcomes(appends)
        assert isinstance(answers[250], InternalError)
        assert all(isinstance(answer, Appended) for n, answer in enumerate(answers) if n != 250)
        assert await check_log(store) == STREAMS + 399


@pytest.mark.row("BS-02", "BS-16")
@on_database
async def test_a_connection_that_is_lost_with_a_group_drafted_ahead(database: Database, prepared: list[bool]) -> None:
    """Each append expects the one before it: none is lost, and none comes twice."""
    async with await database.open() as store, database.sql() as connection:
        await _warm(store)
        chains = _chains(store, 200)
        for done in range(20, 180, 20):
            await chains[0][done].answer
            await connection.execute(_TERMINATE)
        for chain in chains:
            answers = await _outcomes(chain)
            assert [answer.version for answer in answers if isinstance(answer, Appended)] == list(range(2, 202))
        assert False in prepared
        assert await check_log(store) == STREAMS * 201
        assert (await verify(store)).broken is None
