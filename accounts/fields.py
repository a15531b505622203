"""Fields that end up in e-mail headers: one line, no control characters."""

import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.text import is_storable

MAX_NAME_LENGTH = 120
MAX_EMAIL_LENGTH = 254
MAX_PASSWORD_LENGTH = 256
_NOT_ONE_LINE = _("Use one line without control characters.")


def is_one_line(text: str) -> bool:
    """Whether the text has no line break or other control character (a header could not be split by it)."""
    return is_storable(text) and not any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text)


def validate_one_line(text: str) -> None:
    if not is_one_line(text):
        raise ValidationError(_NOT_ONE_LINE)


class LineField(serializers.CharField):
    """A string of one line. Checked before it is trimmed, so that a trailing line break is refused too."""

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and not is_one_line(data):
            raise serializers.ValidationError(_NOT_ONE_LINE)
        return super().to_internal_value(data)


class EmailLineField(serializers.EmailField):
    """An e-mail address in the form in which accounts are compared: trimmed, lower case, one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_EMAIL_LENGTH, **options)

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and not is_one_line(data):
            raise serializers.ValidationError(_NOT_ONE_LINE)
        return super().to_internal_value(data).lower()


class PasswordField(serializers.CharField):
    """A password as it was typed; never in a response."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_PASSWORD_LENGTH, trim_whitespace=False, write_only=True, **options)


class NameFormField(forms.CharField):
    """How a person wants to be called."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "name"})
        super().__init__(label=_("Name"), max_length=MAX_NAME_LENGTH, widget=widget, **options)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            validate_one_line(value)  # before the ends are stripped
        return super().to_python(value)
