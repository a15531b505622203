"""uvicorn's HTTP protocol with answers in one piece, our words for what cannot be read, and limits on what comes."""

import asyncio
from http import HTTPStatus
from typing import Any, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from core.errors import BadRequest, GiloError, RequestTimeout
from core.ids import uuid7_hex
from core.middleware import REQUEST_ID_HEADER
from gilo.shutdown import is_leaving

MAX_HEAD_BYTES = 64 * 1024  # of a request's line and headers; uvicorn itself would collect them without end
MAX_UNWANTED_BYTES = 512 * 1024  # of a body that comes after its answer: enough for the client to see the answer
LINGER_SECONDS = 1.0
HEAD_SECONDS = 30.0  # from a connection, or the first byte of a later request, to the end of its headers


class HeadTooLarge(GiloError):
    """The headers never end, or are larger than anybody needs."""

    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    code = "headers_too_large"
    message = f"The request's headers are larger than {MAX_HEAD_BYTES // 1024} kB."


class WholeAnswers:
    """A transport that sends an answer's head together with what follows it at once.

    uvicorn writes them one after the other, and each write is a system call: a tenth of what a streamed turn costs.
    """

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._send_head)  # a body that is not there yet is not waited for
            return
        self._transport.write(data)

    def close(self) -> None:
        self._send_head()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _send_head(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    # What else uvicorn asks of a transport; with `__getattr__` every attribute would cost more.
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _is_in_head = False
    _is_refused = False
    _head_bytes = 0
    _unwanted_bytes = 0
    _head_alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", WholeAnswers(transport)))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_expecting_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_expecting_head()
        super().on_headers_complete()
        if is_leaving() and self.cycle is not None:
            self.cycle.keep_alive = False  # the client's next request opens a connection, to another process

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None and self.cycle.response_complete:  # there is none while upgrading to a WebSocket
            self._count_unwanted(body)
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._count_unwanted(data)
            return
        was_in_head = self._is_in_head
        super().data_received(data)
        if was_in_head and self._is_in_head:  # this piece was headers only; the first one may end another request
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge())
        elif self._is_in_head and self._head_alarm is None:
            self._expect_head()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over; what WebSocket's own reader cannot make out would wait there without an answer."""
        super().handle_websocket_upgrade()
        taker: Any = self.transport.get_protocol()
        if not taker.handshake_initiated:
            self._refuse(BadRequest("This is no WebSocket handshake.", code="http_invalid"))

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for bytes that are no request, such as those past an understated Content-Length."""
        self._refuse(BadRequest(f"{msg} A body must be as long as its Content-Length says.", code="http_invalid"))

    def _expect_head(self) -> None:
        self._head_alarm = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._give_up_head)

    def _stop_expecting_head(self) -> None:
        if self._head_alarm is not None:
            self._head_alarm.cancel()
            self._head_alarm = None

    def _give_up_head(self) -> None:
        """Who opens connections and says nothing, or a header a minute, keeps no place."""
        if self._is_in_head:
            self._refuse(RequestTimeout("The request's headers arrived too slowly. Send it again."))
        else:
            self.transport.close()

    def _refuse(self, error: GiloError) -> None:
        """Answer, unless an answer is under way, and close: at once it would reset what the client has not read."""
        if self._is_refused:
            return
        self._is_refused = True
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(_encode(error))
        if self.cycle is not None:
            self.cycle.disconnected = True  # what the application still says must not follow our answer
            self.cycle.message_event.set()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.close)

    def _count_unwanted(self, data: bytes) -> None:
        self._unwanted_bytes += len(data)
        if self._unwanted_bytes > MAX_UNWANTED_BYTES:
            self.transport.close()


def _encode(error: GiloError) -> bytes:
    request_id = uuid7_hex()
    body = orjson.dumps(error.body(request_id))
    fields: dict[str, Any] = {
        "content-type": "application/json",
        "content-length": len(body),
        "connection": "close",
        REQUEST_ID_HEADER: request_id,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    status = HTTPStatus(error.status)
    return f"HTTP/1.1 {int(status)} {status.phrase}\r\n{head}\r\n".encode() + body
