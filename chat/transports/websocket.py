"""The chat over WebSocket: the same events as JSON frames `{event, id, data}`. docs/chat.md tells the protocol.

The client sends `{message, ...}` (the fields of the HTTP request), `{cancel: run_id}`, `{resume: run_id, after: id}`.
A fault ends with an `error` frame; what cannot be mended in the connection closes it with 44xx, the HTTP status's twin.
A browser comes with its session and is checked for its Origin; a program with a key or an access token, in the
`Authorization` header or in a first frame `{authenticate: token}`. A page that has a token though its browser may have
a session (a widget's frame) asks for the subprotocol `gilo-token`: then the first frame alone says who comes.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from accounts.doors import authenticate_scope
from accounts.permissions import Principal, authorize
from agents.keys import KEY_PREFIX, ChatAgent
from chat.errors import AccessEnded, ConversationBusy
from chat.execution import Turn, start_run
from chat.models import Channel
from chat.runtime.events import ERROR, Event, encode_frame
from chat.runtime.intake import read_chat_input
from chat.selectors import follow_run, load_run
from chat.services import cancel_run
from chat.streams import access_watchers, follow_live
from chat.transports.doors import authorize_key, check_origin, enter_playground
from chat.transports.http import Receive, Scope, Send, token_from
from core.api import MAX_JSON_BYTES, parse_json, to_gilo_error
from core.errors import GiloError, NotAuthenticated, NotFound, RequestTimeout, ValidationFailed
from core.ids import uuid7
from core.tenancy import parse_id

logger = logging.getLogger(__name__)
POLICY = "agent.chat"
AUTHENTICATE_SECONDS = 10.0
MAX_TOKEN_FRAME = 16 * 1024  # bytes: who has not said who they are makes us read no more
FIRST_FRAME_PROTOCOL = "gilo-token"
_CLOSE_CODES = {400: 4400, 401: 4401, 403: 4403, 404: 4404, 408: 4408, 413: 4413, 422: 4400, 429: 4429}
_CLOSED_BY_CLIENT = "websocket.disconnect"


class _Gone(Exception):
    """The client has gone."""


class ChatSocket:
    """One connection."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._token = token_from(_header(scope, b"authorization"), _header(scope, b"x-api-key"))
        self._following: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._is_open = False
        self._access_ended = False
        self._channel: str = Channel.WEBSOCKET
        self.principal: Principal

    async def serve(self) -> None:
        """Talk until the client goes or a fault closes the connection."""
        try:
            agent_id = await self._open()
            access_watchers.add(self)
            while True:
                await self._handle(agent_id, await self._read())
        except _Gone:
            pass
        except asyncio.CancelledError:
            if not self._access_ended:
                raise
            await self._refuse(AccessEnded(), is_told=self._following is not None)
        except Exception as error:  # noqa: BLE001 - the last line: to_gilo_error logs what nobody foresaw
            await self._refuse(to_gilo_error(error))
        finally:
            access_watchers.discard(self)
            if self._following:
                self._following.cancel()

    def end_access(self) -> None:
        """The principal lost its access: called by the access check, closes with 4401."""
        self._access_ended = True
        if self._task and not self._has_live_run():
            self._task.cancel()

    def _has_live_run(self) -> bool:
        return self._following is not None and not self._following.done()

    async def _open(self) -> UUID:
        """Accept and identify; a page of another site is refused before (HTTP 403)."""
        await self._receive()
        brings_token = FIRST_FRAME_PROTOCOL in self._scope.get("subprotocols", ())
        member = None
        if not self._token and not brings_token:
            member = await authenticate_scope(self._scope)  # raises for a foreign Origin
        await self._send({"type": "websocket.accept", "subprotocol": FIRST_FRAME_PROTOCOL if brings_token else None})
        self._is_open = True
        if not self._token and member is None:
            self._token = await self._read_token()
        agent_id = parse_id(self._scope["url_route"]["kwargs"]["agent_id"])
        await self._enter(agent_id, is_counted=False)  # each message counts
        return agent_id

    async def _read_token(self) -> str:
        try:
            async with asyncio.timeout(AUTHENTICATE_SECONDS):
                frame = await self._read(MAX_TOKEN_FRAME)
        except TimeoutError:
            raise RequestTimeout('Send `{"authenticate": token}` as the first frame.') from None
        token = frame.get("authenticate") if isinstance(frame, dict) else None
        if not isinstance(token, str) or not token:
            raise NotAuthenticated()
        return token

    async def _enter(self, agent_id: UUID, *, is_counted: bool = True) -> ChatAgent:
        """Principal and agent as they are now: asked again for each message, so that nothing outlives its right."""
        if self._token.startswith(KEY_PREFIX):
            identity, self.principal = await authorize_key(self._token, POLICY, agent_id, is_counted=is_counted)
            check_origin(identity, self._scope)
            self._channel = identity.channel or Channel.WEBSOCKET
            return identity.agent
        principal = await authenticate_scope(_with_token(self._scope, self._token))
        authorize(principal, POLICY)
        if principal is None:
            raise NotAuthenticated()
        self.principal = principal
        return await enter_playground(principal, agent_id, is_counted=is_counted)

    async def _read(self, limit: int = MAX_JSON_BYTES) -> Any:
        message = await self._receive()
        if message["type"] == _CLOSED_BY_CLIENT:
            raise _Gone
        text = (message.get("text") or "").encode("utf-8", "surrogatepass")
        return parse_json(text or message.get("bytes") or b"", limit)

    async def _handle(self, agent_id: UUID, frame: Any) -> None:
        try:
            is_stop = isinstance(frame, dict) and "cancel" in frame
            agent = await self._enter(agent_id, is_counted=not is_stop)
            if is_stop:
                await cancel_run(self.principal, parse_id(_only(frame, "cancel")))
            elif isinstance(frame, dict) and "resume" in frame:
                await self._resume(frame)
            else:
                await self._start(agent, frame)
        except GiloError as error:
            if int(error.status) in _CLOSE_CODES:
                raise
            await self._tell_error(error)

    async def _start(self, agent: ChatAgent, frame: Any) -> None:
        chat = read_chat_input(frame)
        self._require_silence()
        run = await start_run(
            Turn(
                principal=self.principal,
                agent=agent,
                channel=self._channel,
                message=chat.message,
                conversation_id=chat.conversation_id,
                regenerate=chat.regenerate,
                variables=chat.variables,
                end_user=self.principal.end_user or chat.end_user,
                request_id=uuid7().hex,
            )
        )
        self._follow(follow_live(run))

    async def _resume(self, frame: dict[str, Any]) -> None:
        run_id = parse_id(_only(frame, "resume", "after"))
        after = frame.get("after", 0)
        if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after < 10**15:
            raise ValidationFailed("`after` must be the id of an event.", param="after")
        self._require_silence()
        stored = await load_run(self.principal, run_id)
        self._follow(follow_run(self.principal, stored, after))

    def _require_silence(self) -> None:
        if self._has_live_run():
            raise ConversationBusy(
                "This connection still carries an answer. Wait for it, stop it, or open another one."
            )

    def _follow(self, groups: AsyncIterator[list[Event]]) -> None:
        self._following = asyncio.create_task(self._send_events(groups))

    async def _send_events(self, groups: AsyncIterator[list[Event]]) -> None:
        try:
            async for group in groups:
                for event in group:
                    await self._send({"type": "websocket.send", "text": encode_frame(event)})
        except (OSError, RuntimeError):
            return  # the client has gone; the run goes on
        if self._access_ended and self._task:
            self._task.cancel()

    async def _tell_error(self, error: GiloError) -> None:
        text = encode_error(error, uuid7().hex)
        await self._send({"type": "websocket.send", "text": text})

    async def _refuse(self, error: GiloError, *, is_told: bool = False) -> None:
        """Say why, then close; before the handshake is done that is an HTTP 403."""
        with contextlib.suppress(OSError, RuntimeError):
            if self._is_open and not is_told:
                await self._tell_error(error)
            await self._send({"type": "websocket.close", "code": _CLOSE_CODES.get(int(error.status), 1011)})


def encode_error(error: GiloError, request_id: str) -> str:
    """A fault that belongs to no run, as a frame."""
    return encode_frame(Event(0, ERROR, error.body(request_id)))


async def chat_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """/ws/agents/{id}/chat"""
    await ChatSocket(scope, receive, send).serve()


async def unknown_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Any other path: the same answer as a missing agent."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": encode_error(NotFound(), uuid7().hex)})
    await send({"type": "websocket.close", "code": 4404})


chat_socket.policy = POLICY  # type: ignore[attr-defined]
unknown_socket.policy = "public"  # type: ignore[attr-defined]


def _only(frame: dict[str, Any], name: str, *optional: str) -> Any:
    unknown = frame.keys() - {name, *optional}
    if unknown:
        raise ValidationFailed("These fields are not known here.", param=sorted(unknown)[0])
    return frame[name]


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _with_token(scope: Scope, token: str) -> Scope:
    if not token:
        return scope
    others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
    return {**scope, "headers": [*others, (b"authorization", f"Bearer {token}".encode())]}
