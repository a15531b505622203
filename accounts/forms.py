"""Sign-up forms: name, e-mail address, password once."""

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.socialaccount.forms import SignupForm as AllauthSocialSignupForm
from django import forms
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.errors import EmailTaken
from accounts.fields import MAX_NAME_LENGTH, NameFormField
from accounts.models import User


class SignupForm(AllauthSignupForm):  # type: ignore[misc]
    """User, workspace, membership and address are written in one transaction."""

    name = NameFormField(required=False)
    field_order = ["name", "email", "password1"]

    def save(self, request: HttpRequest) -> Any:
        try:
            with transaction.atomic():
                return super().save(request)
        except IntegrityError:  # the same address at the same moment: the constraint let one through
            raise EmailTaken() from None


class SocialSignupForm(AllauthSocialSignupForm):  # type: ignore[misc]
    """What is still missing after a provider has named the person."""

    name = NameFormField(required=False)
    field_order = ["name", "email"]

    @transaction.atomic
    def save(self, request: HttpRequest) -> Any:
        return super().save(request)


class ProfileForm(forms.Form):
    """Settings, Profile."""

    name = NameFormField(required=False)
    language = forms.ChoiceField(
        label=_("Language"), choices=[("", _("As in the browser")), *settings.LANGUAGES], required=False
    )

    @classmethod
    def for_user(cls, user: User) -> "ProfileForm":
        return cls(initial={"name": user.name[:MAX_NAME_LENGTH], "language": user.language})
