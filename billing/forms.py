"""Forms of billing's pages."""

from django import forms
from django.utils.translation import gettext_lazy as _

HIGHEST_CAP = 100_000  # dollars a month


class OverageForm(forms.Form):
    """Whether a workspace wants requests beyond its plan, and for how much a month at most."""

    is_enabled = forms.BooleanField(required=False)
    cap = forms.IntegerField(min_value=0, max_value=HIGHEST_CAP, label=_("Spending cap"))

    @property
    def cents(self) -> int:
        """The cap in minor units."""
        return int(self.cleaned_data["cap"]) * 100
