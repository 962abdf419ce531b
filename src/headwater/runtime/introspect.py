"""Looking into processes and steering them, as Erlang's `sys` does. For every process, from inside or outside of any.

What is asked for here takes its place among the process's messages: it sees what was sent before it and nothing that
was sent after it. A suspended process handles only these requests, at once. `statistics`, `measure` and `get_log` are
for processes that are stuck, too, and never wait.

Every other function here waits for `timeout` seconds, 5 by default, and then takes its request back. It raises
`DeadlineExceeded` if the process is busy for so long, `ProcessDown` if it is dead or dies meanwhile, and `CallingSelf`
if an async method of the process asks for its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, cast

from headwater.errors import CallingSelf, DeadlineExceeded, DefinitionError, ProcessError
from headwater.runtime.exits import Exit, Reason
from headwater.runtime.genserver import GenServer, is_server
from headwater.runtime.introspect_events import ProcessEvent
from headwater.runtime.introspect_options import (
    LOG_LIMIT,
    logging_last,
    logging_to,
    observing,
    receivers,
    switch_off,
    tracing,
)
from headwater.runtime.introspect_receivers import EventLog, FileLog, TextStream, Trace
from headwater.runtime.introspect_state import attributes, restore
from headwater.runtime.introspect_statistics import begin_to_measure, stop_measuring
from headwater.runtime.introspect_statistics import statistics as statistics
from headwater.runtime.introspect_status import Status, status_of
from headwater.runtime.message import NOTHING, Message
from headwater.runtime.orders import SYSTEM
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process, current

ServerT = TypeVar("ServerT", bound=GenServer)
Answer = TypeVar("Answer")

DEADLINE: Final = 5.0
"""Seconds that a request waits for its answer, unless told otherwise."""


# --- state ---------------------------------------------------------------------------------------------------


async def get_state(pid: Pid[object], timeout: float | None = DEADLINE) -> Mapping[str, object]:
    """The server's attributes as they are now. The mapping is a copy; the values are the process's own."""
    return await _ask(pid, lambda process: attributes(process.server), timeout)


async def replace_state(
    pid: Pid[ServerT], function: Callable[[ServerT], object], timeout: float | None = DEADLINE
) -> Mapping[str, object]:
    """Let `function` change the server's attributes. Returns them as they are then.

    If it raises, so does this, and the attributes are again what they were; what happened inside of their values
    remains.
    """
    return await _ask(pid, lambda process: _replace(process, cast("Callable[[object], object]", function)), timeout)


async def get_status(pid: Pid[object], timeout: float | None = DEADLINE) -> Status:
    """The process as it stands, its state redacted by its `format_crash`."""
    return await _ask(pid, status_of, timeout)


# --- running and stopping ------------------------------------------------------------------------------------


async def suspend(pid: Pid[object], timeout: float | None = DEADLINE) -> None:
    """Let the process handle nothing but such requests, until `resume`. Messages wait in its mailbox."""
    await _ask(pid, Process.suspend, timeout)


async def resume(pid: Pid[object], timeout: float | None = DEADLINE) -> None:
    """Let a suspended process go on. Harmless when it isn't suspended."""
    await _ask(pid, Process.resume, timeout)


async def change_code(
    pid: Pid[object],
    old_version: object,
    server: type[GenServer] | None = None,
    timeout: float | None = DEADLINE,
) -> None:
    """Let a suspended process bring its state to the form that its class expects now; see `GenServer.change_code`.

    Args:
        pid: the process.
        old_version: what the server's `change_code` gets.
        server: the class that it is an instance of from now on, or None for that which it has.
        timeout: seconds to wait.

    Raises:
        ProcessError: the process isn't suspended.
        DefinitionError: `server` is no GenServer class.
        Exception: what the server's `change_code` raised. Class and attributes are again what they were.
    """
    if server is not None and not is_server(server):
        raise DefinitionError(f"a process's class is a subclass of GenServer, not {server!r}")
    await _ask(pid, lambda process: _change_code(process, old_version, server), timeout)


async def terminate(pid: Pid[object], reason: Reason = Exit.NORMAL, timeout: float | None = DEADLINE) -> None:
    """End the process in good order, with its `terminate`, suspended or not. The same as `Pid.stop`."""
    await pid.stop(reason, timeout)


# --- debugging -----------------------------------------------------------------------------------------------


async def trace(
    pid: Pid[object], to: TextStream | logging.Logger | None = None, timeout: float | None = DEADLINE
) -> None:
    """Write each of the process's events as a line to a stream or a logger. See `Trace`."""
    await _ask(pid, tracing(to), timeout)


async def stop_trace(pid: Pid[object], timeout: float | None = DEADLINE) -> None:
    """Trace no more."""
    await _switch_off(pid, Trace, timeout)


async def keep_log(pid: Pid[object], limit: int = LOG_LIMIT, timeout: float | None = DEADLINE) -> None:
    """Keep the process's last events in memory, for `get_log`.

    Raises:
        DefinitionError: the limit is below 1.
    """
    await _ask(pid, logging_last(limit), timeout)


def get_log(pid: Pid[object]) -> tuple[ProcessEvent, ...]:
    """The last events, oldest first; none if no log is kept. At once, however busy the process is."""
    logs = (receive.events() for receive in receivers(pid.process) if isinstance(receive, EventLog))
    return next(logs, ())


async def stop_log(pid: Pid[object], timeout: float | None = DEADLINE) -> None:
    """Keep no log any more, and forget what was kept."""
    await _switch_off(pid, EventLog, timeout)


async def log_to_file(pid: Pid[object], path: Path, timeout: float | None = DEADLINE) -> None:
    """Append each of the process's events to a file.

    Raises:
        OSError: the file can't be opened.
    """
    await _ask(pid, logging_to(path), timeout)


async def stop_log_to_file(pid: Pid[object], timeout: float | None = DEADLINE) -> None:
    """Close the file."""
    await _switch_off(pid, FileLog, timeout)


async def install(
    pid: Pid[object], receive: Callable[[ProcessEvent], object], timeout: float | None = DEADLINE
) -> None:
    """Hand each of the process's events to a function, which may count, assert or send.

    It runs in the process's turn. If it raises, it gets no more, the error is logged, and the process goes on.
    """
    await _ask(pid, observing(receive), timeout)


async def remove(pid: Pid[object], receive: Callable[[ProcessEvent], object], timeout: float | None = DEADLINE) -> None:
    """Hand it no more. Harmless when it isn't installed."""
    await _ask(pid, lambda process: switch_off(process, lambda other: other == receive), timeout)


def measure(pid: Pid[object]) -> None:
    """From now on count the process's answers and the age of its messages, for `statistics`. At once."""
    begin_to_measure(pid.process)


async def no_debug(pid: Pid[object], timeout: float | None = DEADLINE) -> None:
    """Switch off everything that was switched on."""
    await _ask(pid, _no_debug, timeout)


# --- how it is done ------------------------------------------------------------------------------------------


async def _ask(pid: Pid[object], action: Callable[[Process], Answer], timeout: float | None) -> Answer:
    process = pid.process
    if not process.alive:
        raise process.down()
    if current.get() is process:
        raise CallingSelf(f"{process.label} asked for what only others can; it would wait for itself for ever")
    answer: asyncio.Future[Answer] = process.node.loop.create_future()
    order: Message = (SYSTEM, (process, action, answer), NOTHING, cast("asyncio.Future[object]", answer))
    process.administer(order)
    try:
        return await _within(process, answer, timeout)
    finally:
        with suppress(ValueError):
            process.mailbox.remove(order)  # the asker has given up
        del answer, order  # an error's traceback refers to this frame


async def _within(process: Process, answer: asyncio.Future[Answer], timeout: float | None) -> Answer:
    timer = None
    if timeout is not None and not answer.done():
        timer = process.node.clock.call_later(timeout, partial(_expire, process, answer, timeout))
    try:
        return await answer
    finally:
        del answer
        if timer is not None:
            timer.cancel()


def _expire(process: Process, answer: asyncio.Future[Answer], timeout: float) -> None:
    if not answer.done():
        answer.set_exception(DeadlineExceeded(f"{process.label} had no time for a request within {timeout} s"))


async def _switch_off(pid: Pid[object], kind: type, timeout: float | None) -> None:
    await _ask(pid, lambda process: switch_off(process, lambda receive: isinstance(receive, kind)), timeout)


def _no_debug(process: Process) -> None:
    switch_off(process, lambda _: True)
    stop_measuring(process)


def _replace(process: Process, function: Callable[[object], object]) -> Mapping[str, object]:
    before = attributes(process.server)
    try:
        function(process.server)
    except BaseException:
        restore(process.server, before)
        raise
    return attributes(process.server)


def _change_code(process: Process, old_version: object, server: type[GenServer] | None) -> None:
    if not process.suspended:
        raise ProcessError(f"{process.label} is running; suspend it before its code is changed")
    instance = cast("GenServer", process.server)
    before = type(instance)
    _become(process, instance, server or before)
    try:
        _replace(process, lambda _: instance.change_code(old_version))
    except BaseException:
        _become(process, instance, before)
        raise
    process.observe("code_change", old_version)


def _become(process: Process, instance: GenServer, server: type[GenServer]) -> None:
    instance.__class__ = server
    process.handlers = server.handlers
