"""Sizes as people read them."""

import re

from django.template.defaultfilters import filesizeformat

_EMPTY_DECIMAL = re.compile(r"[.,]0(?=\D)")


def format_size(count: int) -> str:
    """A number of bytes in the reader's language, as Django writes it but for a zero that says nothing: 100 MB."""
    return _EMPTY_DECIMAL.sub("", filesizeformat(count))
