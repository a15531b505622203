"""A fake OpenAI-compatible server over real HTTP on loopback, in a thread of its own.

What it answers is steered by attributes (for all requests) or by markers in the last user message (for one):

    SAY:text            answer that text, to the end of the message
    WORDS:50            answer with that many words ("word0 word1 …")
    DELAY:20  FIRST:300 milliseconds between words, and before the first one
    SPLIT:7             write the stream in pieces of that many bytes
    CALL_TOOL:name{"json": 1}   answer with that tool call
    FAULT:name          see FAULTS;  FAULT:name*2  only for the first two requests that carry it

Everything received is in `requests`. `aborted` counts streams whose client went away.
"""

import asyncio
import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

FAULTS = {
    "500": "status 500 with an error object",
    "503": "status 503 with an HTML page",
    "429": "status 429 with Retry-After: 1",
    "429-long": "status 429 with Retry-After: 120",
    "400": "status 400 with an error object",
    "404": "status 404: the model does not exist",
    "redirect": "307 to another path",
    "hang": "the request is read and nothing is ever answered",
    "silent": "headers come, then only comments",
    "reset": "the connection is cut before an answer",
    "drop": "the connection is cut after half of the words",
    "end": "the stream ends properly after half of the words, without finish_reason",
    "stall": "half of the words, then silence",
    "malformed": "broken JSON in the middle",
    "not-openai": "JSON of another shape in the middle",
    "empty": "a stream without any text",
    "nothing": "a stream without a single line",
    "length": "no text, finish_reason length",
    "error": "an error object in the middle of the stream",
    "error-first": "an error object as the first line",
    "plain": "one JSON object although a stream was asked for",
    "html": "a page of HTML with status 200",
    "no-done": "a proper stream without [DONE]",
    "crlf": "lines end in CRLF, with comments and event names between",
    "linger": "the connection stays open after [DONE]",
}
_SPEC = re.compile(r"(WORDS|DELAY|FIRST|SPLIT):(\d+)")


@dataclass
class Recorded:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeModel:
    """The server. `url` is its base URL, ending in /v1."""

    url: str = ""
    models: list[str] = field(default_factory=lambda: ["fake-model", "fake-embed"])
    api_key: str = ""
    answer: str = "The fake model says hello in a few words."
    fault: str = ""
    delay_ms: int = 0
    embedding_dimension: int = 256
    requests: list[Recorded] = field(default_factory=list)
    aborted: int = 0
    open_streams: int = 0
    connections: set[str] = field(default_factory=set)
    _seen: Counter[str] = field(default_factory=Counter)

    def reset(self) -> None:
        """Back to the defaults, between tests."""
        fresh = FakeModel(url=self.url)
        for name in ("models", "api_key", "answer", "fault", "delay_ms", "embedding_dimension"):
            setattr(self, name, getattr(fresh, name))
        self.requests.clear()
        self.connections.clear()
        self._seen.clear()
        self.aborted = 0

    @property
    def chats(self) -> list[dict[str, Any]]:
        """The bodies of the chat requests."""
        return [request.body for request in self.requests if request.path.endswith("/chat/completions")]

    # --- life ---------------------------------------------------------------------------------------------------------
    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="fake-model", daemon=True)
        self._thread.start()
        assert ready.wait(10), "the fake model server did not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/embeddings", self._embed)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        ready.set()
        await self._stopping.wait()
        await runner.cleanup()

    # --- endpoints ----------------------------------------------------------------------------------------------------
    async def _list_models(self, request: web.Request) -> web.StreamResponse:
        await self._record(request)
        if refused := self._check_key(request):
            return refused
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "fake"} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        body = await self._record(request)
        if refused := self._check_key(request) or self._fail_by_status(self.fault):
            return refused
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = [{"object": "embedding", "index": i, "embedding": self._embedding(text)} for i, text in enumerate(texts)]
        usage = {"prompt_tokens": sum(len(text) // 4 + 1 for text in texts), "total_tokens": 0}
        return web.json_response({"object": "list", "data": data, "model": body.get("model"), "usage": usage})

    def _embedding(self, text: str) -> list[float]:
        vector = [0.0] * self.embedding_dimension
        for word in re.findall(r"\w+", text.lower()) or [""]:
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            vector[int.from_bytes(digest[:4], "little") % self.embedding_dimension] += 1.0
        norm = sum(value * value for value in vector) ** 0.5
        return [value / norm for value in vector]

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._record(request)
        if refused := self._check_key(request):
            return refused
        asked = _last_user_text(body)
        fault = self._take_fault(asked)
        if refused := self._fail_by_status(fault):
            return refused
        if fault == "hang":
            await self._wait_for_end()
        if fault == "reset":
            request.transport.abort()
        if fault == "html":
            return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
        if not body.get("stream") or fault == "plain":
            return web.json_response(self._whole(body, asked))
        return await self._stream(request, body, asked, fault)

    async def _stream(self, request: web.Request, body: Any, asked: str, fault: str) -> web.StreamResponse:
        spec = {name: int(value) for name, value in _SPEC.findall(asked)}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        self.open_streams += 1
        try:
            await asyncio.sleep(spec.get("FIRST", 0) / 1000)
            async for piece in self._pieces(body, asked, fault, spec):
                await response.write(piece)
            if fault == "linger":
                await self._wait_for_end()
            if fault == "drop":
                await asyncio.sleep(0.02)  # the kernel delivers what was written before the cut
                request.transport.abort()
        except (asyncio.CancelledError, ConnectionResetError):
            self.aborted += 1
            raise
        finally:
            self.open_streams -= 1
        return response

    async def _pieces(self, body: Any, asked: str, fault: str, spec: dict[str, int]) -> AsyncIterator[bytes]:
        lines = self._lines(body, asked, fault)
        delay = spec.get("DELAY", self.delay_ms) / 1000
        if delay or fault in {"stall", "silent"}:
            for number, line in enumerate(lines):
                if number > 1:
                    await asyncio.sleep(delay)
                yield line
            while fault == "silent":
                await asyncio.sleep(0.02)
                yield b": still thinking\n\n"
            if fault == "stall":
                await self._wait_for_end()
            return
        whole = b"".join(lines)
        size = spec.get("SPLIT", len(whole) or 1)
        for start in range(0, len(whole), size):
            yield whole[start : start + size]
            if size < len(whole):
                await asyncio.sleep(0)

    def _lines(self, body: Any, asked: str, fault: str) -> list[bytes]:
        if fault in {"nothing", "silent"}:
            return []
        words, finish = self._words(asked), "stop"
        contents = [{"content": word} for word in words]
        if calls := _tool_calls(asked):
            contents, finish = calls, "tool_calls"
        if fault in {"empty", "length"}:
            contents, finish = [], "length" if fault == "length" else "stop"
        chunks = [_chunk(body, {"role": "assistant", "content": ""}), *(_chunk(body, delta) for delta in contents)]
        if fault in {"drop", "end", "stall"}:
            return [_line(chunk) for chunk in chunks[: max(2, len(chunks) // 2)]]
        lines = [_line(chunk) for chunk in (*chunks, _chunk(body, {}, finish))]
        if (body.get("stream_options") or {}).get("include_usage"):
            lines.append(_line({**_chunk(body, {}), "choices": [], "usage": _usage(body, len(words))}))
        lines += [] if fault == "no-done" else [b"data: [DONE]\n\n"]
        middle = len(chunks) // 2
        broken = {
            "malformed": b'data: {"choices":[{"delta":{"conte\n\n',
            "not-openai": b'data: ["what", "is", "this"]\n\n',
            "error": _line({"error": {"message": "The model overheated", "type": "server_error"}}),
        }
        if fault in broken:
            lines.insert(middle + 1, broken[fault])
        if fault == "error-first":
            lines.insert(0, broken["error"])
        if fault == "crlf":
            extra = [b": ping\r\n\r\n", b"event: message\r\n"]
            lines = [part for line in lines for part in (*extra, line.replace(b"\n", b"\r\n"))]
        return lines

    def _whole(self, body: Any, asked: str) -> dict[str, Any]:
        words = self._words(asked)
        message: dict[str, Any] = {"role": "assistant", "content": "".join(words), "refusal": None}
        finish = "stop"
        if calls := _tool_calls(asked):
            message, finish = {**message, "content": None, "tool_calls": calls[0]["tool_calls"]}, "tool_calls"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {**_envelope(body, "chat.completion"), "choices": [choice], "usage": _usage(body, len(words))}

    def _words(self, asked: str) -> list[str]:
        if "SAY:" in asked:
            return re.findall(r"\s*\S+", asked.split("SAY:", 1)[1].strip())
        count = re.search(r"WORDS:(\d+)", asked)
        if count:
            return [f"word{number} " for number in range(int(count[1]))]
        return re.findall(r"\s*\S+", self.answer)

    # --- what is common -----------------------------------------------------------------------------------------------
    async def _record(self, request: web.Request) -> Any:
        body = json.loads(await request.read() or b"null")
        self.requests.append(Recorded(request.path, dict(request.headers), body))
        peer = request.transport.get_extra_info("peername") if request.transport else None
        self.connections.add(str(peer))
        return body

    def _check_key(self, request: web.Request) -> web.Response | None:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.api_key and sent != self.api_key:
            return _error(401, f"Incorrect API key provided: {sent}.", "invalid_request_error")
        return None

    def _take_fault(self, asked: str) -> str:
        found = re.search(r"FAULT:([a-z0-9-]+)(?:\*(\d+))?", asked)
        if not found:
            return self.fault
        self._seen[found[0]] += 1
        return found[1] if not found[2] or self._seen[found[0]] <= int(found[2]) else ""

    def _fail_by_status(self, fault: str) -> web.Response | None:
        match fault:
            case "500":
                return _error(500, "The server had an error while processing your request", "server_error")
            case "503":
                return web.Response(status=503, text="<html>Bad gateway</html>", content_type="text/html")
            case "429":
                return _error(429, "Rate limit reached", "rate_limit_error", {"Retry-After": "1"})
            case "429-long":
                return _error(429, "Quota used up", "insufficient_quota", {"Retry-After": "120"})
            case "400":
                return _error(400, "temperature must be at most 2", "invalid_request_error")
            case "404":
                return _error(404, "The model does not exist", "invalid_request_error")
            case "redirect":
                return web.Response(status=307, headers={"Location": "/v1/elsewhere"})
        return None

    async def _wait_for_end(self) -> None:
        """Silence, until the client goes (which cancels the handler) or the server stops."""
        try:
            await self._stopping.wait()
        except asyncio.CancelledError:
            self.aborted += 1
            raise


def _error(status: int, message: str, kind: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    return web.json_response(body, status=status, headers=headers)


def _last_user_text(body: Any) -> str:
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            content = message["content"]
            return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
    return ""


def _envelope(body: Any, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 1, "model": body.get("model", "")}


def _chunk(body: Any, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_envelope(body, "chat.completion.chunk"), "choices": [choice]}


def _line(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _usage(body: Any, words: int) -> dict[str, int]:
    prompt = sum(len(str(message["content"])) // 4 + 4 for message in body["messages"])
    return {"prompt_tokens": prompt, "completion_tokens": words, "total_tokens": prompt + words}


def _tool_calls(asked: str) -> list[dict[str, Any]]:
    found = re.search(r"CALL_TOOL:([\w.-]+)\s*(\{.*\})?", asked, re.DOTALL)
    if not found:
        return []
    arguments = found[2] or "{}"
    half = len(arguments) // 2
    first = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": found[1], "arguments": arguments[:half]},
    }
    return [{"tool_calls": [first]}, {"tool_calls": [{"index": 0, "function": {"arguments": arguments[half:]}}]}]
