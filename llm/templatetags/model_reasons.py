"""`{% model_reasons %}`: the sentences of `llm.reasons` with their translations, for assets/js/chat/reasons.js."""

from django import template
from django.utils.html import json_script
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from llm.reasons import REASONS

register = template.Library()


@register.simple_tag
def model_reasons() -> SafeString:
    """[[English, the reader's language], …] as JSON in the page."""
    return json_script([(reason, gettext(reason)) for reason in REASONS], "model-reasons")
