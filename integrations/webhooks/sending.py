"""One signed request to one receiver, through the egress guard. Nothing here touches the database."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from django.conf import settings
from django.utils import timezone

from core.errors import UrlNotAllowed

READ_BYTES = 64 * 1024  # read no further: what a receiver answers is of no use but to people
KEPT_CHARACTERS = 4096
_BUFFER_BYTES = 16 * 1024  # what may arrive ahead of the reader, twice over
_KEPT_HEADERS, _KEPT_HEADER_CHARACTERS = 50, 500
_USER_AGENT = "GiLo-Webhooks/1.0"


@dataclass(slots=True)
class Answer:
    """What one attempt brought. `error` is "" when the receiver has the event; `retry_after` is in seconds."""

    at: datetime
    request_headers: dict[str, str]
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    error: str = ""
    ms: int = 0
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return not self.error

    def log_entry(self) -> dict[str, Any]:
        """The attempt as it is kept in the delivery's log."""
        return {"at": self.at.isoformat(), "ms": self.ms, "status": self.status, "error": self.error}


async def post(session: aiohttp.ClientSession, url: str, body: bytes, signature: dict[str, str]) -> Answer:
    """Send and wait for the whole answer, at most `WEBHOOK_TIMEOUT_SECONDS`. Every failure becomes an Answer."""
    headers = {
        "Content-Type": "application/json", "User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **signature,
    }  # fmt: skip
    answer = Answer(at=timezone.now(), request_headers=headers)
    started = time.monotonic()
    try:
        async with asyncio.timeout(settings.WEBHOOK_TIMEOUT_SECONDS):
            await _exchange(session, url, body, answer)
    except TimeoutError:
        answer.error = "timeout"
    except UrlNotAllowed:
        answer.error = "egress_blocked"
    except aiohttp.ClientConnectorCertificateError:
        answer.error = "certificate_invalid"
    except aiohttp.ClientConnectorDNSError:
        answer.error = "name_not_found"
    except aiohttp.ClientConnectorError:
        answer.error = "connection_failed"
    except (aiohttp.ClientError, OSError, ValueError):
        answer.error = "connection_broken"  # or what came was not HTTP
    answer.ms = round((time.monotonic() - started) * 1000)
    return answer


async def _exchange(session: aiohttp.ClientSession, url: str, body: bytes, answer: Answer) -> None:
    request = session.post(
        url, data=body, headers=answer.request_headers, allow_redirects=False, auto_decompress=False,
        read_bufsize=_BUFFER_BYTES,
    )  # fmt: skip
    async with request as response:
        answer.status = response.status
        answer.headers = _kept_headers(response)
        answer.retry_after = _parse_retry_after(response.headers.get("Retry-After", ""))
        answer.error = _error_of(response.status)
        answer.body = await _read_beginning(response)


def _error_of(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if status == HTTPStatus.GONE:
        return "gone"
    return "redirect" if 300 <= status < 400 else "bad_status"


def _kept_headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    items = list(response.headers.items())[:_KEPT_HEADERS]
    return {_storable(name): _storable(value)[:_KEPT_HEADER_CHARACTERS] for name, value in items}


async def _read_beginning(response: aiohttp.ClientResponse) -> str:
    """The first characters. A body longer than READ_BYTES is cut off with its connection; a broken one is as it is."""
    body = bytearray()
    with suppress(aiohttp.ClientPayloadError):  # the status has been said, and decides
        while len(body) < READ_BYTES and (piece := await response.content.read(READ_BYTES - len(body))):
            body += piece
    if not response.content.at_eof():
        response.close()
    return _storable(body[: KEPT_CHARACTERS * 4].decode("utf-8", errors="replace"))[:KEPT_CHARACTERS]


def _storable(text: str) -> str:
    # PostgreSQL holds no NUL; aiohttp hands bytes that are no UTF-8 over as lone surrogates.
    return str(text).replace("\x00", "\ufffd").encode("utf-8", errors="replace").decode()


def _parse_retry_after(value: str) -> float | None:
    """Seconds from now, from a number of seconds or a date; None when there is none or it cannot be read."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
