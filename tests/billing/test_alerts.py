from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Membership, Role
from agents.services import rotate_api_key, update_api_key
from billing.models import Budget, BudgetCounter
from billing.signals import budget_alert
from billing.tasks import delete_old_counters, tell_budget_alerts
from tests.factories import make_agent, make_key, make_user, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def budget():
    workspace, _ = make_workspace()
    agent = make_agent(workspace, name="Support Nord")
    return Budget.objects.create(
        workspace=workspace, agent_id=agent.pk, scope="agent", period="day", limit_usd=5, limit_tokens=10_000
    )


def make_counter(budget, **fields):
    now = timezone.now()
    given = {
        "starts_at": now, "resets_at": now + timedelta(days=1), "spent_usd": Decimal("4.1"), "alerted_at": now, **fields
    }  # fmt: skip
    return BudgetCounter.objects.create(budget=budget, **given)


def test_alert_is_mailed_to_the_owners_once(budget):
    owner = budget.workspace.members.get()
    Membership.objects.create(workspace=budget.workspace, user=make_user(), role=Role.EDITOR)
    make_counter(budget)
    make_counter(budget, alerted_at=None)
    tell_budget_alerts()
    tell_budget_alerts()
    (letter,) = mail.outbox
    assert letter.to == [owner.email]
    assert letter.subject == "82 % of a budget of Support Nord are spent"
    for words in ("The whole agent", "$5.00 a day", "Spent: $4.10\n", f"/agents/{budget.agent_id}?tab=deploy#limits"):
        assert words in letter.body


def test_alert_speaks_the_owners_language_and_names_the_key(budget):
    owner = budget.workspace.members.get()
    owner.language = "fr"
    owner.save()
    agent = budget.workspace.agents.get()
    make_key(agent, "Boutique")
    budget.scope = "api_key"
    budget.save()
    make_counter(budget, subject=str(agent.api_keys.get().pk))
    tell_budget_alerts()
    (letter,) = mail.outbox
    assert "un budget de Support Nord" in letter.subject
    assert (
        "Boutique" in letter.body
        and "Bonjour" in letter.body
        and "Dépensé\u00a0: 4,10\u00a0$US\n" in letter.body
        and "Spent" not in letter.body
    )


def test_alert_names_a_rotated_key_as_its_heir_is_called(budget):
    agent = budget.workspace.agents.get()
    make_key(agent, "Shop")
    key = agent.api_keys.get()
    for name in ("Shop 2", "Boutique"):
        heir, _ = rotate_api_key(key=key, actor=None, overlap=timedelta(0))
        key = update_api_key(key=heir, changes={"name": name})
    budget.scope = "api_key"
    budget.save()
    make_counter(budget, subject=str(agent.api_keys.earliest("created_at").pk))
    tell_budget_alerts()
    (letter,) = mail.outbox
    assert "(Boutique)" in letter.body


def test_alert_stays_due_while_the_mail_server_is_away(budget, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    make_counter(budget)
    tell_budget_alerts()
    assert BudgetCounter.objects.get().told_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    tell_budget_alerts()
    assert len(mail.outbox) == 1 and BudgetCounter.objects.get().told_at is not None


def test_alert_is_heard_by_receivers(budget):
    heard = []

    def listen(counter, **_):
        heard.append(counter.budget)

    budget_alert.connect(listen)
    make_counter(budget)
    tell_budget_alerts()
    budget_alert.disconnect(listen)
    assert heard == [budget]


def test_old_counters_are_deleted_and_totals_stay(budget):
    now = timezone.now()
    make_counter(budget, resets_at=now - timedelta(days=70))
    kept = [make_counter(budget, resets_at=now - timedelta(days=50)).pk, make_counter(budget, resets_at=None).pk]
    delete_old_counters()
    assert set(BudgetCounter.objects.values_list("pk", flat=True)) == set(kept)
