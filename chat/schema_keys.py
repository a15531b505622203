"""What all routes behind a key have in common, in the OpenAPI schema: who is refused, and how the limits are told."""

from typing import Any

_REFUSED = {
    "403": "The key's scopes do not open this, its agent is off, or the page's origin is not on its list.",
    "429": "A window of requests is full; the message says which one and when it ends.",
}
_LIMITS = {
    "X-RateLimit-Limit": "Requests that the tightest window (minute or day) allows.",
    "X-RateLimit-Remaining": "Requests left in that window.",
    "X-RateLimit-Reset": "Seconds until that window ends.",
}
_OPENAI_LIMITS = {
    "x-ratelimit-limit-requests": "Requests that the tightest window (minute or day) allows.",
    "x-ratelimit-remaining-requests": "Requests left in that window.",
    "x-ratelimit-reset-requests": "Time until that window ends, as `6m0s`.",
}
_WAIT = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
# A run must be stopped even when a window is full.
_UNCOUNTED = {"v1_run_cancel", "v1_response_cancel"}
REPEATABLE = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "Sent again with the same key and body within a day, the request is answered by its first run.",
}


def add_key_rules(paths: dict[str, Any]) -> None:
    """Complete the operations that only a key opens."""
    for operations in paths.values():
        for operation in operations.values():
            if operation.get("security") == [{"apiKey": []}]:
                _complete(operation)


def _complete(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    refusal = responses["401"]["content"]  # in the words of the route's protocol
    responses.setdefault("403", {"description": _REFUSED["403"], "content": refusal})
    if operation["operationId"] not in _UNCOUNTED:
        responses.setdefault("429", {"description": _REFUSED["429"], "content": refusal})
        limits = _describe_limits(_OPENAI_LIMITS if "openai" in operation["tags"] else _LIMITS)
        for status in sorted({"200", "429"} & responses.keys()):
            responses[status] = {**responses[status], "headers": limits | (_WAIT if status == "429" else {})}
    operation["responses"] = dict(sorted(responses.items()))


def _describe_limits(names: dict[str, str]) -> dict[str, Any]:
    return {
        name: {"description": words, "schema": {"type": "string" if "reset-requests" in name else "integer"}}
        for name, words in names.items()
    }
