"""What the JSON-RPC protocols (MCP, A2A) have in common: the way in, the envelope, and errors that carry ours."""

from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from accounts.doors import read_headers
from accounts.origin import is_own_origin
from accounts.permissions import Principal
from agents.errors import KeyNotForPrograms, OriginNotAllowed
from agents.keys import KeyIdentity
from agents.origins import is_listed
from chat.transports.doors import authorize_key
from chat.transports.http import Request, Scope
from core.errors import BadRequest, GiloError, UnsupportedType

VIEW = "agent.view"  # any key of the agent; what a method does asks for more
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


class EnvelopeInvalid(BadRequest):
    code = "jsonrpc_invalid"
    message = 'The body must be one JSON-RPC message: {"jsonrpc": "2.0", "id": ..., "method": ..., "params": {...}}.'


class HostNotAllowed(BadRequest):
    code = "host_not_allowed"
    message = "This server has no such host name."


async def admit(request: Request) -> tuple[KeyIdentity, Principal]:
    """The program that calls the agent of the path. Raises what `authorize_key` does, and for pages and other hosts.

    Visitors of a page do not come in here. Both protocols ask for protection against DNS rebinding: the host must be
    one of ours, and a browser's page must be ours or on the key's list (no list: none).
    """
    identity, principal = await authorize_key(request.token, VIEW, request.path_id("agent_id"))
    if identity.end_user:
        raise KeyNotForPrograms()
    _refuse_other_sites(request.scope, identity)
    return identity, principal


async def read_envelope(request: Request) -> dict[str, Any]:
    """The body as a JSON-RPC message; what is in it is the protocol's matter. Raises EnvelopeInvalid and kin."""
    if request.header(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedType("Send application/json.")
    body = await request.read_json()
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise EnvelopeInvalid()
    return body


def describe_error(
    error: GiloError, request_id: str, message_id: Any = None, code: int | None = None
) -> dict[str, Any]:
    """The error as a JSON-RPC response; its `data` is our own shape."""
    shaped = error.body(request_id)["error"]
    number = _code_of(error) if code is None else code
    return {
        "jsonrpc": "2.0",
        "id": message_id,
        "error": {"code": number, "message": shaped["message"], "data": shaped},
    }


def _refuse_other_sites(scope: Scope, identity: KeyIdentity) -> None:
    headers = read_headers(scope)
    host, origin = headers.get("host", ""), headers.get("origin", "")
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        raise HostNotAllowed()
    if origin and not (is_own_origin(origin, host) or is_listed(origin, identity.allowed_origins)):
        raise OriginNotAllowed()


def _code_of(error: GiloError) -> int:
    if error.code == "json_invalid":
        return PARSE_ERROR
    return INTERNAL_ERROR if error.status >= 500 else INVALID_REQUEST
