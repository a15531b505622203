"""Which exception the official client raises, and when it tries again by itself."""

import threading

import openai
import pytest

from billing.services import create_budget
from chat import execution
from chat.transports.openai.errors import describe_error
from core.errors import Conflict, NotAuthenticated, PermissionDenied, TooManyRequests, Unavailable
from core.ratelimit import MINUTE_SECONDS, Window
from tests.chat.transports.openai.conftest import open_client

HELLO = [{"role": "user", "content": "SAY: Hello"}]


def test_wrong_key_is_an_authentication_error(client_with_key, agent):
    with (
        open_client(client_with_key, key="gilo_no") as client,
        pytest.raises(openai.AuthenticationError) as refusal,
    ):
        client.chat.completions.create(model=agent.slug, messages=HELLO)
    assert (refusal.value.code, refusal.value.type) == ("invalid_api_key", "invalid_request_error")
    assert refusal.value.request_id


@pytest.mark.parametrize(
    ("message", "exception", "code"),
    [
        ("FAULT:429", openai.RateLimitError, "model_rate_limited"),
        ("FAULT:500", openai.InternalServerError, "model_unavailable"),
        ("x" * 100_001, openai.APIStatusError, "message_too_long"),
        ("", openai.BadRequestError, "validation_failed"),
    ],
)
def test_each_failure_is_the_exception_that_clients_expect(client, agent, message, exception, code):
    for call in (
        lambda: client.chat.completions.create(model=agent.slug, messages=[{"role": "user", "content": message}]),
        lambda: client.responses.create(model=agent.slug, input=message),
    ):
        with pytest.raises(exception) as refusal:
            call()
        assert refusal.value.code == code
        assert isinstance(refusal.value.message, str)


def test_used_up_budget_is_insufficient_quota_and_not_tried_again(client_with_key, agent, fake_model):
    create_budget(workspace_id=agent.workspace_id, agent_id=agent.pk, scope="agent", period="day", limit_tokens=1)
    with open_client(client_with_key, max_retries=2) as client, pytest.raises(openai.RateLimitError) as refusal:
        client.chat.completions.create(model=agent.slug, messages=HELLO)
    assert (refusal.value.code, refusal.value.type) == ("insufficient_quota", "insufficient_quota")
    assert refusal.value.response.headers["x-should-retry"] == "false"
    assert refusal.value.response.request.headers["x-stainless-retry-count"] == "0"
    assert fake_model.chats == []


def test_limits_of_requests_are_told_in_openais_headers(client_with_key, agent, settings):
    settings.DEFAULT_PLAN = "free"
    with open_client(client_with_key) as client:
        headers = client.chat.completions.with_raw_response.create(model=agent.slug, messages=HELLO).headers
    assert int(headers["x-ratelimit-remaining-requests"]) == int(headers["x-ratelimit-limit-requests"]) - 1
    assert headers["x-ratelimit-reset-requests"].endswith("s")


def test_full_window_is_a_rate_limit_error_that_says_when_to_come_back(client, agent, monkeypatch):
    monkeypatch.setattr("chat.transports.admission.windows_of", lambda plan: (Window("minute", MINUTE_SECONDS, 1),))
    client.models.list()
    with pytest.raises(openai.RateLimitError) as refusal:
        client.models.list()
    headers = refusal.value.response.headers
    assert (refusal.value.code, headers["x-ratelimit-remaining-requests"]) == ("rate_limit_exceeded", "0")
    assert 0 < int(headers["Retry-After"]) <= MINUTE_SECONDS


def test_unknown_path_and_method_are_told_in_the_shape(client):
    with pytest.raises(openai.NotFoundError) as refusal:
        client.embeddings.create(model="x", input="y")
    assert refusal.value.code == "not_found"
    with pytest.raises(openai.APIStatusError) as refusal:
        client.responses.delete("resp_1")
    assert (refusal.value.status_code, refusal.value.code) == (405, "method_not_allowed")


def test_client_waits_and_tries_again_while_the_service_restarts(client_with_key, agent):
    execution.refuse_runs()
    timer = threading.Timer(0.3, execution.accept_runs)
    timer.start()
    try:
        with open_client(client_with_key, max_retries=2) as client:
            answer = client.chat.completions.with_raw_response.create(model=agent.slug, messages=HELLO)
    finally:
        timer.join()
    assert (answer.status_code, answer.retries_taken) == (200, 1)


def test_restart_tells_when_to_come_back(client, agent):
    execution.refuse_runs()
    try:
        with pytest.raises(openai.InternalServerError) as refusal:
            client.chat.completions.create(model=agent.slug, messages=HELLO)
    finally:
        execution.accept_runs()
    assert refusal.value.response.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("error", "type_", "code"),
    [
        (NotAuthenticated(), "invalid_request_error", "invalid_api_key"),
        (PermissionDenied(), "permission_error", "permission_denied"),
        (Conflict(), "invalid_request_error", "conflict"),
        (TooManyRequests(), "rate_limit_error", "rate_limit_exceeded"),
        (Unavailable(), "server_error", "unavailable"),
    ],
)
def test_describe_error_uses_openais_words(error, type_, code):
    told = describe_error(error, "request-1")["error"]
    assert (told["type"], told["code"], told["request_id"]) == (type_, code, "request-1")
