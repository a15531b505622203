"""Mails about webhooks that were switched off."""

from collections.abc import Sequence
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.backends.locmem import EmailBackend

from accounts.models import Membership, Role, User
from integrations.models import DisabledReason, WebhookEndpoint
from integrations.services import switch_off
from integrations.tasks import send_notices
from tests.factories import make_agent, make_user, make_webhook, make_workspace

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/gilo"


@pytest.fixture
def endpoint() -> WebhookEndpoint:
    workspace = make_workspace(owner=make_user(language="en"))[0]
    for role, language in ((Role.OWNER, "fr"), (Role.EDITOR, "en")):
        Membership.objects.create(workspace=workspace, user=make_user(language=language), role=role)
    return make_webhook(make_agent(workspace, name="Guide\tme"), URL)[0]


def test_owners_are_told_once_in_their_language(endpoint: WebhookEndpoint) -> None:
    switch_off(endpoint=endpoint, reason=DisabledReason.FAILING)
    send_notices()
    send_notices()
    owners = Membership.objects.filter(workspace=endpoint.agent.workspace, role=Role.OWNER).values_list("user__email")
    assert {tuple(one.to) for one in mail.outbox} == set(owners)
    by_subject = {one.subject: one.body for one in mail.outbox}
    assert set(by_subject) == {"A webhook of Guide me was switched off", "Un webhook de Guide me a été désactivé"}
    assert all(URL in body and f"/agents/{endpoint.agent_id}?tab=deploy" in body for body in by_subject.values())
    assert "for five days every attempt has failed" in by_subject["A webhook of Guide me was switched off"]
    assert "depuis cinq jours" in by_subject["Un webhook de Guide me a été désactivé"]


def test_receiver_that_is_gone_is_named_so(endpoint: WebhookEndpoint) -> None:
    switch_off(endpoint=endpoint, reason=DisabledReason.GONE)
    send_notices()
    assert any("410 Gone" in one.body for one in mail.outbox)


def test_mail_server_that_is_down_leaves_the_debt(endpoint: WebhookEndpoint, settings: Any) -> None:
    switch_off(endpoint=endpoint, reason=DisabledReason.FAILING)
    working = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    settings.EMAIL_PORT = 9
    send_notices()
    assert WebhookEndpoint.objects.get().owes_notice
    settings.EMAIL_BACKEND = working
    send_notices()
    assert len(mail.outbox) == 2
    assert not WebhookEndpoint.objects.get().owes_notice


def test_switching_off_twice_owes_one_notice(endpoint: WebhookEndpoint) -> None:
    for reason in (DisabledReason.GONE, DisabledReason.FAILING):
        switch_off(endpoint=endpoint, reason=reason)
    endpoint.refresh_from_db()
    assert endpoint.disabled_reason == "gone"


class Refusing(EmailBackend):
    """A mail server that knows one address no more, and answers for it with this code."""

    address, code = "", 550

    def send_messages(self, messages: Sequence[EmailMessage]) -> int:
        for message in messages:
            if message.to == [self.address]:
                raise SMTPRecipientsRefused({self.address: (self.code, b"No such user")})
        return super().send_messages(messages)


@pytest.mark.parametrize(("code", "owes"), [(550, False), (451, True)])
def test_owner_whose_address_is_refused_for_good_keeps_nobody_elses_mail_back(
    endpoint: WebhookEndpoint, settings: Any, monkeypatch: pytest.MonkeyPatch, code: int, owes: bool
) -> None:
    owners = User.objects.filter(memberships__workspace=endpoint.agent.workspace, memberships__role=Role.OWNER)
    gone, other = owners.order_by("created_at")
    monkeypatch.setattr(Refusing, "address", gone.email)
    monkeypatch.setattr(Refusing, "code", code)
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    switch_off(endpoint=endpoint, reason=DisabledReason.GONE)
    send_notices()
    assert WebhookEndpoint.objects.get().owes_notice == owes
    assert owes or [one.to for one in mail.outbox] == [[other.email]]
