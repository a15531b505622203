"""uvicorn's WebSocket protocol with a limit on how many frames a client may send.

uvicorn limits the bytes of a message, but not the frames that bring it. Pings, empty fragments and fragments of one
letter are a few bytes for the client and a few dozen microseconds for us: a megabyte of them would hold everybody up
for seconds, before anybody has said who they are.
"""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chat.transports.websocket import encode_error
from core.errors import TooManyRequests
from core.ids import uuid7_hex

MOST_FRAMES = 2_000  # in a second, and of one message
LINGER_SECONDS = 10.0
_PIECE_BYTES = 4096  # parsed at once; the smallest frame of a client has six
_TOO_MANY_FRAMES = 4429  # the twin of HTTP's 429


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    _second_began = 0.0
    _frames = 0

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + _PIECE_BYTES])

    def handle_events(self) -> None:
        now = self.loop.time()
        if now - self._second_began >= 1.0:
            self._second_began, self._frames = now, 0
        self._frames += len(self.conn.events)
        if max(self._frames, len(self.frames)) > MOST_FRAMES:
            self._refuse()
        else:
            super().handle_events()

    def _refuse(self) -> None:
        """Say why and close, whether or not the client ever reads it."""
        if self.handshake_complete and not self.close_sent:
            error = TooManyRequests("Too many frames. Send whole messages, and fewer of them.")
            self.conn.send_text(encode_error(error, uuid7_hex()).encode())
            self.conn.fail(_TOO_MANY_FRAMES)
            self.handle_parser_exception()
            self.loop.call_later(LINGER_SECONDS, self.transport.abort)
        else:
            self.transport.abort()
