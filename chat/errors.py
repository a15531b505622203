"""What can go wrong in a chat. (`chat.runtime` has its own: MessageTooLong, AnswerEmpty, Interrupted.)

GiloError
├── MethodNotAllowed   405  method_not_allowed  (carries Allow)
├── ConversationBusy   409  conversation_busy   (an answer is still being written there)
└── NotAuthenticated
    └── AccessEnded    401  access_ended        (key revoked, member removed or user suspended while streaming)
"""

from collections.abc import Iterable
from http import HTTPStatus

from core.errors import Conflict, GiloError, NotAuthenticated


class MethodNotAllowed(GiloError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "method_not_allowed"
    message = "This address does not take that method."

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = ", ".join(sorted(allowed))
        super().__init__()

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": self._allowed}


class ConversationBusy(Conflict):
    code = "conversation_busy"
    message = "An answer is still being written in this conversation. Wait for it or stop it, then try again."


class AccessEnded(NotAuthenticated):
    code = "access_ended"
    message = "Your access ended while the answer was being written. What came before is kept."
