"""One message to many processes.

Sent one by one, a message to a thousand idle processes takes a thousand places in mailboxes and in the run queue. Here
they share one place in the run queue, and the message is in no mailbox, for nothing is ahead of it in that of an idle
process. What is sent to it meanwhile goes to its mailbox and is handled after it. So the order of messages, and what
happens when a handler raises or a process ends, are those of `Pid.send`. The message under way doesn't count as one
that waits: a process may have one more than its mailbox holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from headwater.runtime.handlers import Handler, HandlerTable
from headwater.runtime.message import Message
from headwater.runtime.node import INLINE_TURNS, Node, RunQueue
from headwater.runtime.pid import Pid
from headwater.runtime.process import Process
from headwater.runtime.states import ENDED, IDLE, QUEUED, RUNNING, WATCHFUL

FEW: Final = 8
"""Up to so many processes, sending one by one is quicker."""


def multicast(pids: Sequence[Pid[object]], content: object) -> list[Pid[object]]:
    """Send a plain message to each of the processes, as `Pid.send` does.

    Returns:
        Those whose mailbox was full, so that a message was lost: this one, or the one that their policy says.
    """
    full: list[Pid[object]] = []
    batches = _Batches(content, together=len(pids) > FEW)
    handlers = node = take = None
    for pid in pids:
        process = pid._process  # noqa: SLF001 - what `Pid.send` does, for many
        if process.handlers is not handlers or process.node is not node:
            handlers, node = process.handlers, process.node
            take = batches.of(handlers, node)
        if take is not None and process.state == IDLE:
            process.state = QUEUED
            take(process)
            continue
        if process.room <= 0 and not process.make_room() and process.state != ENDED:
            full.append(pid)
        process.post((handlers.info, content, None, None))
    return full


class _Batch:
    """The processes of one class and node that have a message to handle. It takes their turns."""

    __slots__ = ("message", "node", "processes")

    def __init__(self, handlers: HandlerTable, node: Node, content: object) -> None:
        self.node = node
        self.message: Message = (handlers.info, content, None, None)
        self.processes: list[Process] = []

    @property
    def label(self) -> str:
        """What it is called in messages and logs."""
        return f"a message to {len(self.processes)} processes"

    def take_turn(self) -> None:
        """Let each process handle the message, as `Process.take_turn` does."""
        self.node.inline_turns = INLINE_TURNS
        message = self.message
        handle, content = message[0].function, message[1]
        for process in self.processes:
            ready = process.state == QUEUED and not process.asked
            if not ready:
                self._hand_over(process)
                continue
            process.state = RUNNING
            process.handled += 1
            try:
                handle(process.server, content)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises ends its process, nothing else
                process._running = message  # noqa: SLF001 - for the crash report
                process.crash(error)
            if process.asked or process.mailbox:
                self._go_on(process)
            else:
                process.state = IDLE

    def _go_on(self, process: Process) -> None:
        """Do what the handler asked for; then its turn goes on with what waits."""
        if process.state == RUNNING:
            process._between_messages()  # noqa: SLF001 - this is the process's turn
        if process.state != RUNNING:
            return
        if process.mailbox and not process.watchful:
            process.state = QUEUED
            process.take_turn()
        else:
            process._rest()  # noqa: SLF001 - likewise

    def _hand_over(self, process: Process) -> None:
        """Something has happened to the process: the message goes through its mailbox, ahead of what came later."""
        if process.state == ENDED:
            return
        process.queue_first(self.message)
        if process.state == QUEUED:
            process.take_turn()
        elif process.state <= WATCHFUL:
            process.wake()


class _Batches:
    """The batches of one message, by class and node."""

    __slots__ = ("_batches", "_content", "_together")

    def __init__(self, content: object, *, together: bool) -> None:
        self._content = content
        self._together = together
        self._batches: dict[tuple[Handler, Node], _Batch] = {}

    def of(self, handlers: HandlerTable, node: Node) -> Callable[[Process], None] | None:
        """What takes an idle process into its batch; None if each has to have a turn of its own.

        That is so if the handler is async, for it has turns of its own anyway, and if the run queue is one that
        decides on each turn.
        """
        if not self._together or not handlers.info.is_sync or type(node.run_queue) is not RunQueue:
            return None
        batch = self._batches.get((handlers.info, node))
        if batch is None:
            batch = self._batches[handlers.info, node] = _Batch(handlers, node, self._content)
            node.run_queue.add(batch)
        return batch.processes.append
