"""Serializer fields that keep what PostgreSQL, HTTP headers and e-mail cannot hold out of the database."""

import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.text import is_storable

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_BREAK = re.compile(r"[\r\n\x85\u2028\u2029]")


class PlainCharField(serializers.CharField):
    """Text without control characters. A field of up to 255 characters is a single line: no CR, no LF."""

    default_error_messages = {
        "control": _("This text holds characters that are not allowed."),
        "line_break": _("This text must be a single line."),
    }
    single_line_up_to = 255

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        if not is_storable(value) or _CONTROL.search(value):
            self.fail("control")
        if (self.max_length or 0) <= self.single_line_up_to and self.max_length and _LINE_BREAK.search(value):
            self.fail("line_break")
        return value
