"""What the publish wizard shows: what the listing says or would say, the choices, and what publishing would change."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agents.config import GRADIENTS, AgentConfig
from agents.models import Agent
from store.models import Listing, ListingStatus, Payer, PriceKind, RemixPolicy, Visibility
from store.schemas import CURRENCIES, MOST_FEATURES, MOST_TAGS

_REMIX_HINTS: dict[str, Promise] = {
    RemixPolicy.NONE: gettext_lazy("People can use it, not copy it."),
    RemixPolicy.CONFIG: gettext_lazy("A copy has your instructions and settings. Keys and documents stay with you."),
    RemixPolicy.KNOWLEDGE: gettext_lazy("A copy has your documents too. Share only what you may share."),
}
_VISIBILITY_HINTS: dict[str, Promise] = {
    Visibility.PUBLIC: gettext_lazy("Everybody finds it in the store."),
    Visibility.PRIVATE: gettext_lazy("Nobody finds it. It opens with an access token that you give out."),
}
_PAYER_HINTS: dict[str, Promise] = {
    Payer.NOBODY: gettext_lazy("Visitors sign in first. Their messages count on your quota."),
    Payer.CREATOR: gettext_lazy("Visitors try it at once, within a daily allowance, on your quota."),
    Payer.PLATFORM: gettext_lazy("Visitors try it at once, within a daily allowance that the operator pays for."),
}
# what may differ between a release and the agent, by the configuration's field
_PARTS: dict[str, Promise] = {
    "instructions": gettext_lazy("Instructions"),
    "endpoint_id": gettext_lazy("Model"),
    "model": gettext_lazy("Model"),
    "temperature": gettext_lazy("Temperature"),
    "max_tokens": gettext_lazy("Longest answer"),
    "welcome_message": gettext_lazy("Welcome message"),
    "suggested_questions": gettext_lazy("Suggested questions"),
    "knowledge_enabled": gettext_lazy("Documents"),
    "language": gettext_lazy("Language"),
}


def describe_form(agent: Agent, listing: Listing | None) -> dict[str, Any]:
    """What the fields hold: the listing's own words, else what the agent says of itself."""
    look = released_config(agent).appearance
    form: dict[str, Any] = {
        "name": agent.name, "tagline": agent.description[:120], "description": "", "category": "", "tags": [],
        "features": [], "color": look.color, "color_2": look.color_2, "glyph": look.glyph,
        "remix_policy": RemixPolicy.CONFIG, "visibility": Visibility.PUBLIC, "visitors_paid_by": Payer.CREATOR,
        "price_kind": PriceKind.FREE, "price": 0, "currency": CURRENCIES[0], "pack_messages": 0,
    }  # fmt: skip
    return form | {name: getattr(listing, name) for name in form} if listing else form


def describe_choices() -> dict[str, Any]:
    """The radio groups: value, label and hint of each choice; and the limits of the lists."""
    return {
        "remix_policies": [(*choice, _REMIX_HINTS[choice[0]]) for choice in RemixPolicy.choices],
        "visibilities": [(*choice, _VISIBILITY_HINTS[choice[0]]) for choice in Visibility.choices],
        "payers": [(*choice, _PAYER_HINTS[choice[0]]) for choice in Payer.choices],
        "price_kinds": PriceKind.choices,
        "currencies": [(currency, currency.upper()) for currency in CURRENCIES],
        "presets": GRADIENTS,
        "most_features": MOST_FEATURES,
        "most_tags": MOST_TAGS,
    }


def released_config(agent: Agent) -> AgentConfig:
    """The configuration that publishing would put into the store: the live version's, before any deploy the draft's."""
    version = agent.live_version or agent.draft_version
    return AgentConfig.from_json(version.config if version else {})


def compare_release(listing: Listing) -> dict[str, Any] | None:
    """What publishing a listing of `selectors.list_mine` anew would change; None when nothing, or nothing is out yet.

    `ahead` counts versions; `waiting` is the draft's number where it is ahead of the live version, which is published.
    """
    release, agent = listing.release, listing.agent
    version = agent.live_version or agent.draft_version
    if release is None or version is None:
        return None
    before, after = AgentConfig.from_json(release.version.config), AgentConfig.from_json(version.config)
    parts = dict.fromkeys(str(label) for name, label in _PARTS.items() if getattr(before, name) != getattr(after, name))
    ready: list[Any] = listing.ready_documents  # type: ignore[attr-defined]
    added, gone = set(ready) - set(release.documents), set(release.documents) - set(ready)
    if added or gone:
        parts[str(_PARTS["knowledge_enabled"])] = None
    waiting = agent.draft_version if agent.live_version and agent.draft_version != agent.live_version else None
    if version.pk == release.version_id and not parts:
        return None if waiting is None else {"ahead": 0, "parts": [], "waiting": waiting.number, "live": version.number}
    return {
        "ahead": max(version.number - release.version.number, 0),
        "parts": list(parts),
        "added": len(added),
        "gone": len(gone),
        "waiting": waiting.number if waiting else None,
        "live": version.number,
    }


def describe_script(agent: Agent, listing: Listing | None) -> dict[str, Any]:
    """What the wizard's script needs."""
    return {
        "agent_id": str(agent.pk),
        "listing_id": str(listing.pk) if listing else None,
        "slug": listing.slug if listing else None,
        "is_published": listing is not None and listing.status == ListingStatus.PUBLISHED,
        "most_features": MOST_FEATURES,
        "most_tags": MOST_TAGS,
    }


def script_messages() -> dict[str, str]:
    """The wizard's words that its script says."""
    return {
        "saving": _("Saving…"),
        "saved": _("Saved"),
        "not_saved": _("Not saved"),
        "unsaved": _("Not saved yet"),
        "feature": _("Feature {number}"),
        "remove": _("Remove"),
        "free": _("Free"),
        "price_month": _("{price} a month"),
        "price_pack": _("{price} for {count} messages"),
        "tag_remove": _("Remove “{tag}”"),
        "icon_saved": _("The icon is saved."),
        "preset": _("Colours {from} to {to}"),
        "fix_first": _("Some fields need another look."),
    }
