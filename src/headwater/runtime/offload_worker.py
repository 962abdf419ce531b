"""ProcessWorker: one of the operating system's processes that runs functions for others."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Final

from headwater.errors import WorkerDied
from headwater.runtime.offload_child import serve

_CONTEXT: Final = multiprocessing.get_context("spawn")
"""A fresh interpreter: a copy of a program that has threads can hang."""


class ProcessWorker:
    """A process that runs one function after the other. It is started when the first one comes.

    `run` and `close` block, for a thread; `kill` may be called from any other thread meanwhile.
    """

    __slots__ = ("_connection", "_killed", "_lock", "_process")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._killed = False
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    @property
    def usable(self) -> bool:
        """Whether it can run one more function."""
        return not self._killed

    def run(
        self, function: Callable[..., object], arguments: tuple[object, ...], keywords: Mapping[str, object]
    ) -> object:
        """Run a function in the process, and return or raise what it does.

        Raises:
            WorkerDied: the process ended before the function did.
            PicklingError, TypeError, AttributeError: function, arguments or result can't be sent to another process.
        """
        request = pickle.dumps((function, arguments, keywords))
        try:
            connection = self._connect()
            connection.send_bytes(request)
            returned, outcome = pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own worker
        except (EOFError, OSError) as error:
            raise self._died(function) from error
        finally:
            if self._killed:
                self.close()
        if not returned:
            raise outcome
        return outcome

    def kill(self) -> None:
        """End the process now, whatever it does."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Let the process end, and wait until it has. It must not be running a function."""
        self._killed = True
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.join()

    def _connect(self) -> Connection:
        with self._lock:
            if self._killed:
                raise WorkerDied("the worker was killed before it had started")
            if self._connection is None:
                ours, theirs = _CONTEXT.Pipe()
                process = _CONTEXT.Process(target=serve, args=(theirs,), daemon=True, name="headwater-worker")
                process.start()
                theirs.close()
                self._connection, self._process = ours, process
            return self._connection

    def _died(self, function: Callable[..., object]) -> WorkerDied:
        code = None
        self.kill()
        if self._process is not None:
            self._process.join()
            code = self._process.exitcode
        self.close()
        name = getattr(function, "__qualname__", repr(function))
        return WorkerDied(f"the worker process of {name} ended before it returned, with exit code {code}")
