"""Every way of making a user makes the workspace too, in one transaction."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from accounts import services
from accounts.errors import EmailTaken
from accounts.models import Membership, Role, User, Workspace

pytestmark = pytest.mark.django_db


def test_every_new_user_owns_a_personal_workspace(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "tidal-lantern-42")
    call_command("createsuperuser", interactive=False, email="root@example.com", verbosity=0)
    User.objects.create_user("a@example.com", "x")
    User(email="b@example.com").save()
    for user in User.objects.all():
        membership = Membership.objects.select_related("workspace").get(user=user)
        assert membership.role == Role.OWNER and membership.workspace.is_personal
    assert User.objects.get(email="root@example.com").is_superuser


def test_saving_again_makes_no_second_workspace():
    user = User.objects.create_user("a@example.com", "x")
    user.name = "A"
    user.save()
    assert Workspace.objects.count() == 1


def test_failing_workspace_leaves_no_user():
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email="a@example.com"), User(email="A@example.com")])
    assert not User.objects.exists()
    user = User(email="c@example.com", name="C" * 500)
    with pytest.raises(Exception, match="too long"), transaction.atomic():
        user.save()
    assert not User.objects.exists() and not Workspace.objects.exists()


def test_register_twice_is_refused_without_regard_to_case():
    services.register_user(email="Ada@Example.com", password="tidal-lantern-42")
    with pytest.raises(EmailTaken):
        services.register_user(email="ada@EXAMPLE.com", password="tidal-lantern-42")
    assert User.objects.get().email == "ada@example.com"
