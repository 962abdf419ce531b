"""One message to many processes."""

from __future__ import annotations

from collections.abc import Iterable

from headwater.runtime.message import NOTHING, Message
from headwater.runtime.pid import Pid
from headwater.runtime.process import ENDED, WATCHFUL


def multicast(pids: Iterable[Pid[object]], content: object) -> list[Pid[object]]:
    """Send a plain message to each of the processes, as `Pid.send` does.

    Returns:
        Those whose mailbox was full, so that a message was lost: this one, or the one that their policy says.
    """
    full: list[Pid[object]] = []
    message: Message | None = None
    for pid in pids:
        process = pid._process  # noqa: SLF001 - what `Pid.send` does, for many
        if message is None or message[0] is not process.handlers.info:
            message = (process.handlers.info, (content,), NOTHING, None)  # one for all of a class
        mailbox = process.mailbox
        if len(mailbox) < mailbox.capacity:  # there is no room in an ended process's mailbox
            mailbox.append(message)
            if process.state <= WATCHFUL:
                process.wake()
        elif process.state != ENDED:
            process.post(message)
            full.append(pid)
    return full
