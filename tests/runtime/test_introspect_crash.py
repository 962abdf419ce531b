"""Crash reports: what they say, and what they must not say."""

import asyncio
import logging
import re
from collections.abc import Mapping

import pytest

from headwater import Exit, GenServer, Pid, System
from headwater.errors import ProcessDown
from headwater.runtime import introspect
from headwater.runtime.exits import Reason, Shutdown
from headwater.runtime.introspect_state import shorten

from .driving import run, settle


class Fragile(GenServer):
    def init(self) -> None:
        self.balance = 17
        self.password = "hunter2"

    def boom(self, amount: int, *, secret: str = "none") -> None:
        raise ValueError("boom")

    async def boom_later(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("boom")

    def end_as(self, reason: Reason) -> None:
        self.stop(reason)


class Discreet(Fragile):
    def format_crash(self, report: Mapping[str, object]) -> Mapping[str, object]:
        state = report["state"]
        assert isinstance(state, Mapping)
        message = re.sub("secret='[^']*'", "secret=***", str(report["message"]))
        return {**report, "state": {**state, "password": "***"}, "message": message}


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def reports(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if "crashed" in record.getMessage()]


async def the_client(pid: Pid[Fragile]) -> None:
    with pytest.raises(ProcessDown):
        await pid.call(Fragile.boom, 5, secret="pssst")


@pytest.mark.row("GS-15")
def test_a_crash_is_logged_as_an_error_with_message_state_and_client(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        await the_client(await system.start(Fragile, name="f"))

    run(scenario)
    (record,) = reports(caplog)
    text = record.getMessage()
    assert record.levelno == logging.ERROR
    assert text.startswith("Fragile 'f' crashed in boom: ValueError: boom; ")
    assert "message: boom(5, secret='pssst')" in text
    assert "'balance': 17" in text
    assert "client: the_client (" in text
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


@pytest.mark.row("GS-15")
@pytest.mark.parametrize("handler", ["sync", "async"])
def test_the_client_of_a_call_that_waited_is_named_too(handler: str, caplog: pytest.LogCaptureFixture) -> None:
    async def the_other_client(pid: Pid[Fragile]) -> None:
        with pytest.raises(ProcessDown):
            await (pid.call(Fragile.boom_later) if handler == "async" else pid.call(Fragile.boom, 1))

    async def scenario(system: System) -> None:
        pid = await system.start(Fragile)
        await introspect.suspend(pid)
        called = asyncio.create_task(the_other_client(pid))
        await settle()
        await introspect.resume(pid)
        await called

    run(scenario)
    assert "client: the_other_client (" in reports(caplog)[0].getMessage()


@pytest.mark.row("GS-15")
def test_the_crash_of_a_cast_has_no_client(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        pid = await system.start(Fragile)
        pid.cast(Fragile.boom, 1)
        await pid.wait()

    run(scenario)
    assert "client: unknown" in reports(caplog)[0].getMessage()


@pytest.mark.row("GS-15")
@pytest.mark.parametrize("reason", [Exit.NORMAL, Exit.SHUTDOWN, Shutdown("why")])
def test_an_end_in_good_order_is_no_crash(reason: Reason, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        pid = await system.start(Fragile)
        pid.cast(Fragile.end_as, reason)
        await pid.wait()

    run(scenario)
    assert caplog.records == []


@pytest.mark.row("GS-16")
def test_reports_and_status_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        pid = await system.start(Discreet)
        status = await introspect.get_status(pid)
        assert status.state == {"balance": 17, "password": "***"}
        await the_client(pid)

    run(scenario)
    (record,) = reports(caplog)
    assert "hunter2" not in record.getMessage()
    assert "pssst" not in record.getMessage()
    assert "message: boom(5, secret=***)" in record.getMessage()


def test_a_report_is_bounded_and_survives_values_without_words(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(system: System) -> None:
        pid = await system.start(Fragile)

        def spoil(server: Fragile) -> None:
            server.password = "x" * 1_000_000
            server.balance = Unspeakable()  # type: ignore[assignment]
            server.many = list(range(1_000_000))  # type: ignore[attr-defined]

        await introspect.replace_state(pid, spoil)
        await the_client(pid)

    run(scenario)
    text = reports(caplog)[0].getMessage()
    assert "'balance': <Unspeakable instance at" in text
    assert "18, 19, ...]" in text
    assert len(text) < 2_000
    assert shorten("x" * 1_005).endswith("x … (5 more characters)")
