"""Try an endpoint out and say in words what is wrong with it. Uses the openai SDK; synchronous, for API views.

Imported where somebody asks, not before: the SDK takes longer to import than all the rest of a web process.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import httpx2
import openai
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.errors import GiloError, UrlNotAllowed
from core.http import CONNECT_TIMEOUT, check_url, egress_httpx_client
from core.http_deadline import DeadlineTransport
from llm.providers.openai import sampling_parameters
from llm.reasons import find_reason, say, tidy_words
from llm.types import ProbeResult, Step, Target

LIST_TIMEOUT = 10.0  # seconds
CHAT_TIMEOUT = 30.0  # seconds: a local server may load the model first
PROBE_TOKENS = 16
MOST_SUGGESTIONS = 3
MOST_MODELS = 2_000  # more than any provider has


class _Failed(Exception):
    """A step failed, for the reason given."""


def probe_endpoint(target: Target) -> ProbeResult:
    """Check the address, list the models, and ask for one short answer. Never raises for what the endpoint does."""
    probe = _Probe(target)
    probe.run("address", probe.check_address)
    if probe.ok:
        probe.run("models", probe.list_models)
        listing_failed = not probe.ok
        if listing_failed and probe.may_go_on:
            probe.ok = True  # some servers do not list their models: the answer decides
        if probe.ok:
            probe.run("chat", probe.ask)
    return ProbeResult(probe.ok, probe.steps, probe.models, probe.better_base_url)


def fetch_models(target: Target, *, timeout: float) -> list[str] | None:
    """The names of the endpoint's models, or None when it does not say within `timeout` seconds."""
    try:
        with _open_client(target, timeout) as client:
            return _list_names(client)
    except (openai.OpenAIError, httpx2.HTTPError, GiloError, ValueError, _Failed):
        return None


class _Probe:
    def __init__(self, target: Target) -> None:
        self._target = target
        self.ok = True
        self.may_go_on = False
        self.steps: list[Step] = []
        self.models: list[str] = []
        self.better_base_url = ""

    def run(self, name: str, step: Any) -> None:
        """One step, timed; a failure becomes its message."""
        begun = time.monotonic()
        try:
            message, self.ok = step(), True
        except _Failed as failure:
            message, self.ok = str(failure), False
        except GiloError as error:
            message, self.ok = _(error.message), False
        except (openai.OpenAIError, httpx2.HTTPError) as error:
            message, self.ok = self._explain(error), False
        except RecursionError:  # a hundred thousand brackets
            message, self.ok = _not_compatible(), False
        self.steps.append(Step(name, self.ok, message, round((time.monotonic() - begun) * 1000)))

    def check_address(self) -> str:
        check_url(self._target.base_url, allow_private=self._target.is_operator)
        host = httpx2.URL(self._target.base_url).host
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            raise _Failed(_("The name “%(host)s” does not resolve. Check the spelling.") % {"host": host}) from None
        return _("The address is valid.")

    def list_models(self) -> str:
        try:
            with _open_client(self._target, LIST_TIMEOUT) as client:
                self.models = _list_names(client)
        except openai.NotFoundError as error:
            self._look_for_v1()
            if not self.better_base_url:
                self.may_go_on = True
            raise _Failed(self._explain_missing()) from error
        except _Failed:
            self._look_for_v1()
            if self.better_base_url:
                raise _Failed(self._explain_missing()) from None
            raise
        count = len(self.models)
        return ngettext("%(count)d model is offered.", "%(count)d models are offered.", count) % {"count": count}

    def ask(self) -> str:
        target = self._target
        with _open_client(target, CHAT_TIMEOUT) as client:
            try:
                completion = client.chat.completions.create(
                    model=target.model,
                    messages=[{"role": "user", "content": "Say hello."}],
                    **sampling_parameters(target.model, temperature=0.0, max_tokens=PROBE_TOKENS),
                )
            except openai.NotFoundError as error:
                raise _Failed(self._explain_model(error)) from error
            except openai.BadRequestError as error:
                if self.models and target.model not in self.models:
                    raise _Failed(self._explain_model(error)) from error
                raise
        if not getattr(completion, "choices", None):
            raise _Failed(_not_compatible())
        return _("The model “%(model)s” answers.") % {"model": target.model}

    def _look_for_v1(self) -> None:
        base_url = self._target.base_url.rstrip("/")
        if base_url.endswith("/v1"):
            return
        with_v1 = Target(f"{base_url}/v1", self._target.api_key, self._target.model, self._target.is_operator)
        if fetch_models(with_v1, timeout=LIST_TIMEOUT) is not None:
            self.better_base_url = with_v1.base_url

    def _explain_missing(self) -> str:
        if self.better_base_url:
            return _("Nothing is found under this address. Did you forget /v1? %(url)s works.") % {
                "url": self.better_base_url
            }
        return _("Nothing is found under this address. Did you forget /v1 at its end?")

    def _explain_model(self, error: openai.APIStatusError) -> str:
        model = self._target.model
        close = get_close_matches(model, self.models, MOST_SUGGESTIONS, 0.4) or self.models[:MOST_SUGGESTIONS]
        if model in self.models or not close:
            return _explain_status(error, self._target)
        return _("The model “%(model)s” is not offered here. Perhaps you mean: %(names)s.") % {
            "model": model,
            "names": ", ".join(close),
        }

    def _explain(self, error: Exception) -> str:
        if isinstance(error, openai.APIStatusError):
            return _explain_status(error, self._target)
        if isinstance(error, openai.APIResponseValidationError):
            return _not_compatible()
        return _explain_connection(error)


@contextmanager
def _open_client(target: Target, timeout: float) -> Iterator[openai.OpenAI]:
    http = _operator_client(timeout) if target.is_operator else egress_httpx_client(timeout)
    with openai.OpenAI(
        base_url=target.base_url,
        api_key=target.api_key or "none",
        organization="",
        project="",
        max_retries=0,
        timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        http_client=http,
    ) as client:
        yield client


def _operator_client(timeout: float) -> httpx2.Client:
    return httpx2.Client(transport=DeadlineTransport(timeout), timeout=timeout, follow_redirects=False, trust_env=False)


def _list_names(client: openai.OpenAI) -> list[str]:
    try:
        page: Any = client.models.list()
        names = [model.id for model in page.data]
    except (AttributeError, TypeError, ValueError, RecursionError):
        raise _Failed(_not_compatible()) from None
    if not all(isinstance(name, str) for name in names):
        raise _Failed(_not_compatible())
    return sorted(name for name in names if name.isprintable())[:MOST_MODELS]


def _not_compatible() -> str:
    return _("Something answers there, but not an OpenAI-compatible server. Check the base URL: most end in /v1.")


def _explain_status(error: openai.APIStatusError, target: Target) -> str:
    body: Any = error.body
    words = tidy_words(body.get("message") if isinstance(body, dict) else body, target.api_key)
    _kind, reason = find_reason(error.status_code)
    shown = "" if "<" in words else words  # an HTML page of some proxy helps nobody
    return say(_(reason), shown, status=error.status_code, model=target.model)


def _explain_connection(error: BaseException) -> str:
    """The reason at the bottom of a chain of exceptions."""
    for cause in _chain(error):
        if isinstance(cause, UrlNotAllowed):
            return _(cause.message)
        if isinstance(cause, socket.gaierror):
            return _("The server's name does not resolve. Check the spelling.")
        if isinstance(cause, ssl.SSLError):
            return _("The server's TLS certificate is not valid, or it does not speak https.")
        if isinstance(cause, ConnectionRefusedError):
            return _("The server refuses connections. Check the port, and that it runs.")
        if isinstance(cause, httpx2.TimeoutException | TimeoutError | openai.APITimeoutError):
            return _("The server did not answer in time.")
    return _("The connection broke before an answer came.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
