"""Why a model did not answer: one list of sentences for the errors, the pages and the French of both.

The API says a reason in English, with the provider's own words behind it in parentheses. Pages know the sentences by
this pattern, say them in the reader's language, and keep the words (assets/js/chat/reasons.js).
"""

from http import HTTPStatus

from django.utils.translation import gettext_noop

from llm.errors import ModelError, ModelRateLimited, ModelRejected, ModelUnavailable

MAX_WORDS = 300  # characters of a provider's own words

RATE_LIMITED = gettext_noop("The model's provider limits the number of requests.")
KEY_REFUSED = gettext_noop("The model's provider refused the API key. Check it in Settings → Models.")
UNKNOWN_MODEL = gettext_noop("The provider knows no model “%(model)s”, or the base URL is wrong (most end in /v1).")
REDIRECTED = gettext_noop("The model's address redirects elsewhere. Enter the final address as base URL.")
FAILED = gettext_noop("The model's provider failed with status %(status)s.")
REFUSED = gettext_noop("The model's provider refused the request with status %(status)s.")
REFUSED_IN_STREAM = gettext_noop("The model's provider refused the request.")
ERROR_IN_STREAM = gettext_noop("The model's provider reported an error.")
NAME_UNKNOWN = gettext_noop("The model's server was not found: its name does not resolve. Check the base URL.")
NOT_TRUSTED = gettext_noop("The model's server cannot be trusted: its TLS certificate is not valid.")
NOT_CONNECTED = gettext_noop("The model's server refuses connections. Check the base URL and that the server runs.")
NOT_COMPATIBLE = gettext_noop(
    "The address answered, but not as an OpenAI-compatible server. Check the base URL: most end in /v1."
)
NOT_SENDABLE = gettext_noop(
    "The API key or the address holds characters that cannot be sent. Enter them again in Settings → Models."
)
KEY_UNREADABLE = gettext_noop(
    "The stored key of this model endpoint cannot be read any more. Enter it again in Settings → Models."
)
OUT_OF_TOKENS = gettext_noop("The model used up all its tokens before it answered. Raise the agent's max tokens.")
WITHHELD = gettext_noop("The provider's content filter withheld the answer.")
EMPTY = gettext_noop("The model sent an empty answer. Try again.")
BROKE_OFF = gettext_noop("The model broke off before its first word. Try again.")
FELL_SILENT = gettext_noop("The model fell silent in the middle of the answer. What came is kept.")
ENDLESS = gettext_noop("The model does not stop writing. What came before is kept.")
ENDLESS_LINE = gettext_noop("The model sent an endless line. What came before is kept.")
UNREADABLE_PIECE = gettext_noop("The model sent a piece that cannot be read. What came before is kept.")
FOREIGN_PIECE = gettext_noop("The model sent a piece that is not OpenAI-compatible.")

REASONS: tuple[str, ...] = tuple(
    value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)
)


def say(reason: str, words: str = "", **values: object) -> str:
    """The reason, in whatever language it is given, with the provider's own words behind it."""
    return reason % values + (f" ({words})" if words else "")


def tidy_words(words: object, api_key: str = "") -> str:
    """A provider's words in one line, not too long, such as can be stored; some repeat the key that they were sent."""
    text = " ".join(str(words or "").replace("\x00", " ").encode("utf-8", "replace").decode().split())
    return (text.replace(api_key, "…") if api_key else text)[:MAX_WORDS]


def find_reason(status: int) -> tuple[type[ModelError], str]:
    """What an HTTP status means; the reasons tell the `status` and the `model`."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ModelRateLimited, RATE_LIMITED
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ModelRejected, KEY_REFUSED
    if status == HTTPStatus.NOT_FOUND:
        return ModelRejected, UNKNOWN_MODEL
    if 300 <= status < 400:
        return ModelRejected, REDIRECTED
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY} or status >= 500:
        return ModelUnavailable, FAILED
    return ModelRejected, REFUSED
