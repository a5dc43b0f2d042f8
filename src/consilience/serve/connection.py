"""One HTTP connection: what uvicorn leaves open. The head of a request has a time limit and a size limit, a client that
has closed its side for writing still gets its answer, and what is no HTTP gets its 400 as JSON. Knows no route.
"""

from __future__ import annotations

import json
from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_HEAD = 65_536
"""Most bytes of the head of a request."""


class Connection(HttpToolsProtocol):
    """The lifespan's state says how long a head may take: `app_state["head_timeout"]`, in seconds."""

    _timer: TimerHandle | None = None
    _in_head = True
    _size = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._size += len(data)
        super().data_received(data)
        if self._in_head and self._size > _HEAD and not self.transport.is_closing():
            self._refuse(431, f"the head of the request has more than {_HEAD:,} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._in_head, self._size = False, 0
        super().on_headers_complete()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client that will send no more, but has sent a whole request, is answered before the connection ends."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return None
        cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "the request is not HTTP/1.1")

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(self.app_state.get("head_timeout", 20.0), self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(408, "the head of the request did not arrive in time")
        else:  # an earlier request is being answered: nothing may come in between
            self.transport.close()

    def _refuse(self, status: int, why: str) -> None:
        content = json.dumps({"error": why}).encode()
        head: list[Any] = [STATUS_LINE[status], b"content-type: application/json\r\nconnection: close\r\n"]
        head.append(b"content-length: %d\r\n\r\n" % len(content))
        self.transport.write(b"".join([*head, content]))
        self.transport.close()
