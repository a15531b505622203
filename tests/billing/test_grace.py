from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Membership, Role
from billing.models import Subscription
from billing.tasks import end_graces
from tests.factories import make_agent, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(buyer):
    buyer.buy("pro")
    return buyer


def fail(buyer):
    """The next payment fails; returns the open invoice."""
    invoice = buyer.stripe.fail_payment(Subscription.objects.get().stripe_id)
    buyer.hear()
    return invoice


def days_pass(buyer, days):
    """Time goes by: for us it is as if the payment had failed so much earlier."""
    for invoice in buyer.stripe.state.all("invoice", status="open"):
        invoice["status_transitions"]["finalized_at"] -= int(days * 86_400)
    row = Subscription.objects.get()
    row.grace_ends_at -= timedelta(days=days)
    row.save()


def subjects():
    return [letter.subject for letter in mail.outbox]


def test_failed_payment_starts_a_grace_and_keeps_the_plan(buyer):
    Membership.objects.create(workspace=buyer.workspace, user=make_user(), role=Role.EDITOR)
    fail(buyer)
    end_graces()
    end_graces()
    row = Subscription.objects.get()
    assert buyer.plan == "pro"
    assert timedelta(days=6, hours=23) < row.grace_ends_at - timezone.now() <= timedelta(days=7)
    (letter,) = mail.outbox
    assert letter.to == [buyer.user.email] and letter.subject == f"A payment for {buyer.workspace.name} failed"
    assert "/settings/billing" in letter.body and "Pro" in letter.body


def test_grace_ends_with_a_downgrade_and_nothing_lost(buyer):
    agent = make_agent(buyer.workspace)
    fail(buyer)
    end_graces()
    days_pass(buyer, 5.1)
    end_graces()
    end_graces()
    assert buyer.plan == "pro"
    days_pass(buyer, 2)
    end_graces()
    end_graces()
    assert buyer.plan == ""
    assert buyer.workspace.agents.get() == agent
    date = subjects()[1].rpartition(" on ")[2]
    assert subjects() == [
        f"A payment for {buyer.workspace.name} failed",
        f"The plan Pro of {buyer.workspace.name} ends on {date}",
        f"{buyer.workspace.name} is now on the plan Free",
    ]


def test_payment_ends_the_grace_and_brings_the_plan_back(buyer):
    invoice = fail(buyer)
    end_graces()
    days_pass(buyer, 8)
    end_graces()
    assert buyer.plan == ""
    buyer.stripe.pay(invoice["id"])
    buyer.hear()
    row = Subscription.objects.get()
    assert (buyer.plan, row.grace_ends_at, row.grace_mails) == ("pro", None, 0)


def test_second_unpaid_month_does_not_prolong_the_grace(buyer):
    fail(buyer)
    days_pass(buyer, 3)
    ends_at = Subscription.objects.get().grace_ends_at
    fail(buyer)
    assert Subscription.objects.get().grace_ends_at == ends_at.replace(microsecond=0)


def test_second_failure_after_a_paid_one_owes_its_mails_anew(buyer):
    buyer.stripe.pay(fail(buyer)["id"])
    end_graces()
    buyer.hear()
    fail(buyer)
    end_graces()
    assert subjects() == [f"A payment for {buyer.workspace.name} failed"] * 2


def test_plan_stays_when_stripe_knows_of_a_payment_that_we_missed(buyer):
    invoice = fail(buyer)
    end_graces()
    Subscription.objects.update(grace_ends_at=timezone.now() - timedelta(days=1))
    buyer.stripe.pay(invoice["id"])
    end_graces()
    assert buyer.plan == "pro" and len(mail.outbox) == 1


def test_plan_stays_while_stripe_does_not_answer(buyer):
    fail(buyer)
    days_pass(buyer, 8)
    buyer.stripe.is_down = True
    end_graces()
    assert buyer.plan == "pro"


def test_mails_speak_the_owners_language(buyer):
    buyer.user.language = "fr"
    buyer.user.save()
    fail(buyer)
    end_graces()
    assert "Bonjour" in mail.outbox[0].body and "failed" not in mail.outbox[0].subject


def test_mail_stays_owed_while_the_mail_server_is_away(buyer, settings):
    fail(buyer)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    end_graces()
    assert Subscription.objects.get().grace_mails == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    end_graces()
    assert len(mail.outbox) == 1
