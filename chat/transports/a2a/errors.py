"""What can go wrong in A2A, with the protocol's own numbers.

GiloError
├── TaskMissing          404 → -32001  not_found
├── TaskOver             409 → -32002  task_over              (it cannot be cancelled any more)
├── PushUnsupported      422 → -32003  push_not_supported
├── OperationUnsupported 422 → -32004  operation_not_supported
├── ContentUnsupported   422 → -32005  content_type_not_supported
├── NoExtendedCard       422 → -32007  no_extended_card
├── VersionUnsupported   422 → -32009  version_not_supported
└── MethodMissing        404 → -32601  method_not_found
"""

from typing import Any

from chat.transports.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND
from core.errors import Conflict, GiloError, NotFound, ValidationFailed

VERSION = "1.0"


class TaskMissing(NotFound):
    message = "There is no task with this id, or it is not yours."


class TaskOver(Conflict):
    code = "task_over"
    message = "This task is over: it cannot be cancelled any more."


class PushUnsupported(ValidationFailed):
    code = "push_not_supported"
    message = "Push notifications are not supported here. Stream the task, or ask for it."


class OperationUnsupported(ValidationFailed):
    code = "operation_not_supported"
    message = "This task is over. Send a message without its id, in the same context, to go on."


class ContentUnsupported(ValidationFailed):
    code = "content_type_not_supported"
    message = "This agent reads and writes text: send parts with `text`, and accept text/plain."


class NoExtendedCard(ValidationFailed):
    code = "no_extended_card"
    message = "This agent has one card, and no other for those who sign in."


class VersionUnsupported(ValidationFailed):
    code = "version_not_supported"
    message = f"This agent speaks A2A {VERSION}. Send the header `A2A-Version: {VERSION}`."


class MethodMissing(NotFound):
    code = "method_not_found"
    message = "This method is not known here. A2A 1.0 has SendMessage, SendStreamingMessage, GetTask and others."


# our error → the protocol's number and reason; what is not here is an invalid parameter or a fault of ours
_NUMBERS: dict[type[GiloError], tuple[int, str]] = {
    TaskMissing: (-32001, "TASK_NOT_FOUND"),
    TaskOver: (-32002, "TASK_NOT_CANCELABLE"),
    PushUnsupported: (-32003, "PUSH_NOTIFICATION_NOT_SUPPORTED"),
    OperationUnsupported: (-32004, "UNSUPPORTED_OPERATION"),
    ContentUnsupported: (-32005, "CONTENT_TYPE_NOT_SUPPORTED"),
    NoExtendedCard: (-32007, "EXTENDED_AGENT_CARD_NOT_CONFIGURED"),
    VersionUnsupported: (-32009, "VERSION_NOT_SUPPORTED"),
    MethodMissing: (METHOD_NOT_FOUND, "METHOD_NOT_FOUND"),
}


def describe_fault(error: GiloError, request_id: str, message_id: Any) -> dict[str, Any]:
    """The error as the protocol's JSON-RPC response: a number, words, and who is to blame by its `reason`."""
    fallback = (INTERNAL_ERROR, "INTERNAL_ERROR") if error.status >= 500 else (INVALID_PARAMS, "INVALID_PARAMS")
    number, reason = _NUMBERS.get(type(error), fallback)
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "a2a-protocol.org",
        "metadata": {"code": error.code, "requestId": request_id},
    }
    fault = {"code": number, "message": str(error.message), "data": [detail]}
    return {"jsonrpc": "2.0", "id": message_id, "error": fault}
