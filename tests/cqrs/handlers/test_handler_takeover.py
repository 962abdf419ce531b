"""Several programs run the application: one of them has the handler, another one takes over."""

import asyncio
from pathlib import Path

import pytest

from headwater import Application
from tests.bank import Account
from tests.postgres_server import own_schema, with_options

from .driving import Notes, deposit


class Mailer(Notes, name="mailer"):
    lease = 1.0


@pytest.mark.row("CM-17")
def test_one_program_has_the_handler_and_another_takes_over(tmp_path: Path, postgres: str) -> None:
    url = with_options(postgres, schema=own_schema(tmp_path))
    one, other = Mailer(), Mailer()

    def application(handler: Mailer) -> Application:
        return Application("bank", store=url, aggregates=[Account], handlers=[handler])

    async def main() -> None:
        first, second = application(one), application(other)
        async with second:
            async with first:
                await asyncio.gather(first.wait_for(Mailer, 0), second.wait_for(Mailer, 0))
                position = await deposit(first, "a", 1, 2, 3)
                await first.wait_for(Mailer, position, timeout=20)
                await second.wait_for(Mailer, position, timeout=20)
                states = [(await app.handler_statuses())[0].state for app in (first, second)]
                assert sorted(states) == ["running", "standing by"]
                active, idle = (one, other) if states[0] == "running" else (other, one)
                assert (len(active.seen), idle.seen) == (3, [])
            await second.wait_for(Mailer, await deposit(second, "b", 4), timeout=20)
            assert other.seen[-1] == ("account-b", 4)
            assert sorted(one.seen + other.seen) == [*[("account-a", n) for n in (1, 2, 3)], ("account-b", 4)]

    asyncio.run(main())
