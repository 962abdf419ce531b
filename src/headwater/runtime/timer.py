"""Messages that come later."""

from __future__ import annotations

from headwater.clock import Clock
from headwater.runtime.exits import Reason
from headwater.runtime.process import Process


class MessageTimer:
    """A message that is sent to a process when its time has come. Made by `GenServer.send_after`.

    It is cancelled by itself when the process that it is for ends.
    """

    __slots__ = ("_clock", "_due", "_message", "_timer", "_watch", "process")

    def __init__(self, clock: Clock, process: Process, delay: float, message: object) -> None:
        self._clock = clock
        self._due = clock.monotonic() + delay
        self._message = message
        self.process = process
        self._timer = clock.call_later(delay, self._ring)
        self._watch: int | None = process.watch(self._ended)

    def cancel(self) -> float | None:
        """Stop it. Returns how many seconds were left; None if it has rung or was cancelled already."""
        left = self.remaining()
        self._timer.cancel()
        self._forget()
        return left

    def remaining(self) -> float | None:
        """Seconds until it rings; None if it has rung or was cancelled."""
        return None if self._watch is None else max(0.0, self._due - self._clock.monotonic())

    def _ring(self) -> None:
        self._forget()
        self.process.inform(self._message)

    def _ended(self, _: Reason) -> None:
        self.cancel()

    def _forget(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            self.process.unwatch(watch)
