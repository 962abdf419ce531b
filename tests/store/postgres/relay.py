"""A relay between a store and its server, which loses what the test wants to be lost."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.postgres_server import with_options


class Relay:
    """Passes bytes on in both directions, over a port of its own.

    Args:
        server: the server's URL.
    """

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._socket = parse_qs(parts.query).get("host", [None])[0]
        self._host, self._port = parts.hostname or "localhost", parts.port or 5432
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.port = 0
        self._questions = bytearray()
        self._losing: str | None = None
        self._marker: bytes | None = None
        self._open = True
        self.swallowed = 0

    def url(self, url: str, user: str | None = None) -> str:
        """The same database, by way of the relay; for another user, if one is named."""
        parts = urlsplit(with_options(url))
        user = user or parts.netloc.rpartition("@")[0]
        relayed = parts._replace(netloc=f"{user}@127.0.0.1:{self.port}")
        query = "&".join(part for part in relayed.query.split("&") if not part.startswith("host="))
        return relayed._replace(query=query).geturl()

    def swallow_answers_to(self, marker: bytes) -> None:
        """From the first question on that holds these bytes, no answer comes back."""
        self._marker = marker

    def swallow_questions(self) -> None:
        self._losing = "questions"

    @property
    def losing_answers(self) -> bool:
        return self._losing == "answers"

    def sent(self, words: bytes) -> bool:
        """Whether the store has sent these bytes at any time."""
        return words in self._questions

    def cut(self) -> None:
        """Cut all connections, on both sides; new ones work again."""
        self._losing = None
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def close_door(self) -> None:
        """Let nobody in any more."""
        self._open = False

    def open_door(self) -> None:
        self._open = True

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        back, forth = await self._connect()
        self._writers |= {writer, forth}
        for task in (self._pass(reader, forth, "questions"), self._pass(back, writer, "answers")):
            self._tasks.add(asyncio.ensure_future(task))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._socket is not None:
            return await asyncio.open_unix_connection(Path(self._socket) / f".s.PGSQL.{self._port}")
        return await asyncio.open_connection(self._host, self._port)

    def _heed(self, question: bytes) -> None:
        self._questions += question
        if self._marker is not None and self._marker in question:
            self._losing, self._marker = "answers", None

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str) -> None:
        try:
            while data := await reader.read(65_536):
                if kind == "questions":
                    self._heed(data)
                if self._losing == kind:
                    self.swallowed += len(data)
                else:
                    writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
