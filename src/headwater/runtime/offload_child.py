"""What runs in the operating system's process of a worker. It imports as little as it can."""

from __future__ import annotations

import pickle
import signal
import traceback
from multiprocessing.connection import Connection


def serve(connection: Connection) -> None:
    """Run functions that come through the connection, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side decides when to end
    while True:
        try:
            request = connection.recv_bytes()
        except (EOFError, OSError):
            return
        connection.send_bytes(answer(request))


def answer(request: bytes) -> bytes:
    """Run what the request says. The answer is a pair: whether it returned, and its result or its error."""
    try:
        function, arguments, keywords = pickle.loads(request)  # noqa: S301 - from the process that started this one
        return pickle.dumps((True, function(*arguments, **keywords)))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the other side
        return _failure(error)


def _failure(error: BaseException) -> bytes:
    error.add_note("".join(traceback.format_exception(error)))
    try:
        encoded = pickle.dumps((False, error))
        pickle.loads(encoded)  # noqa: S301 - some errors can be written and not read
    except Exception:  # noqa: BLE001 - its text remains
        return pickle.dumps((False, RuntimeError("".join(traceback.format_exception(error)))))
    return encoded
