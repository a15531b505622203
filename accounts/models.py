"""Users, workspaces (the tenants) and who belongs to which."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core.models import Timestamped


class UserManager(BaseUserManager["User"]):
    """Users are named by their e-mail address, compared without case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin, Timestamped):
    """A person who signs in."""

    email = models.EmailField(_("email address"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    language = models.CharField(max_length=5, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="accounts_user_email_without_case")]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **options: Any) -> None:
        """A new user gets a personal workspace in the same transaction, whichever way the user is made."""
        is_new = self._state.adding
        with transaction.atomic():
            super().save(*args, **options)
            if is_new:
                workspace = Workspace.objects.create(name=self.display_name[:80], is_personal=True)
                Membership.objects.create(workspace=workspace, user=self, role=Role.OWNER)

    @property
    def display_name(self) -> str:
        return self.name or self.email.partition("@")[0]


class Workspace(Timestamped):
    """The tenant: everything belongs to one. Each user has a personal one from the start."""

    name = models.CharField(max_length=80)
    is_personal = models.BooleanField(default=False)
    # The name of a plan (billing.plans); "" stands for the operator's default, GILO_DEFAULT_PLAN.
    plan = models.CharField(max_length=20, blank=True, default="", db_default="")
    members = models.ManyToManyField(User, through="Membership", related_name="workspaces")

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; `accounts.permissions` holds the table."""

    OWNER = "owner", _("Owner")
    EDITOR = "editor", _("Editor")
    VIEWER = "viewer", _("Viewer")


class Membership(Timestamped):
    """One user's role in one workspace."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workspace", "user"], name="accounts_one_membership_each")]
