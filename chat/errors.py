"""What can go wrong in a chat. (`chat.runtime` has its own: MessageTooLong, AnswerEmpty, Interrupted.)

GiloError
├── ConversationBusy   409  conversation_busy   (an answer is still being written there)
├── RequestRepeated    409  request_repeated    (its Idempotency-Key has a run already: that one answers)
├── IdempotencyMismatch 422 idempotency_mismatch
└── NotAuthenticated
    └── AccessEnded    401  access_ended        (key revoked, member removed or user suspended while streaming)
"""

from core.errors import Conflict, NotAuthenticated, ValidationFailed


class ConversationBusy(Conflict):
    code = "conversation_busy"
    message = "An answer is still being written in this conversation. Wait for it or stop it, then try again."


class RequestRepeated(Conflict):
    """Told to the transports, which answer with the first request's run."""

    code = "request_repeated"
    message = "This request was made before, and its answer is gone."


class IdempotencyMismatch(ValidationFailed):
    code = "idempotency_mismatch"
    message = "This Idempotency-Key was used for another request. Use a new key for each request."


class AccessEnded(NotAuthenticated):
    code = "access_ended"
    message = "Your access ended while the answer was being written. What came before is kept."
