"""The store's categories, in the order in which they are shown. An id, once used, stays: listings hold it."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Category:
    """A shelf of the store: its id in addresses, its name in the reader's language, an icon of the sprite."""

    id: str
    name: Promise
    icon: str


CATEGORIES: dict[str, Category] = {
    category.id: category
    for category in (
        Category("support", _("Customer support"), "headphones"),
        Category("business", _("Business"), "briefcase"),
        Category("marketing", _("Marketing and sales"), "rocket"),
        Category("writing", _("Writing"), "pencil"),
        Category("education", _("Education"), "graduation-cap"),
        Category("programming", _("Programming"), "code"),
        Category("research", _("Research and data"), "search"),
        Category("productivity", _("Productivity"), "circle-check"),
        Category("lifestyle", _("Daily life"), "heart"),
        Category("creativity", _("Creativity and play"), "palette"),
    )
}
