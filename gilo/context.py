"""What every page's frame needs."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, cached_property
from django.utils.translation import gettext as _

from accounts.models import Workspace
from billing.stripe import is_configured
from gilo.selectors import PlanUsage

THEMES = ("light", "dark", "auto")


class Frame:
    """The frame's data, read when a template asks: a page without a sidebar costs no query."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._principal = getattr(request, "principal", None)

    @property
    def theme(self) -> str:
        """The cookie's choice, so that the first paint already has it."""
        chosen = self._request.COOKIES.get("theme", "auto")
        return chosen if chosen in THEMES else "auto"

    @property
    def sidebar(self) -> str:
        """Open or collapsed as the reader left it; before that collapsed in the builder, which has columns enough."""
        chosen = self._request.COOKIES.get("sidebar")
        if chosen in {"open", "collapsed"}:
            return chosen
        match = self._request.resolver_match
        return "collapsed" if match is not None and match.view_name == "agent-builder" else "open"

    @property
    def shortcut(self) -> str:
        """The palette's keys as this computer writes them."""
        return "⌘K" if "Mac" in self._request.headers.get("User-Agent", "") else "Ctrl K"

    @cached_property
    def workspace(self) -> Workspace | None:
        if self._principal is None:
            return None
        return Workspace.objects.filter(pk=self._principal.workspace_id).first()

    @cached_property
    def usage(self) -> PlanUsage | None:
        return None if self.workspace is None else PlanUsage(self.workspace)

    @property
    def sells(self) -> bool:
        """Whether a larger plan can be bought on this server."""
        return is_configured()

    @property
    def messages(self) -> dict[str, str]:
        """The strings of the scripts that every page loads."""
        return {
            "agents": _("Agents"),
            "cancel": _("Cancel"),
            "close": _("Close"),
            "conversations": _("Conversations"),
            "copied": _("Copied"),
            "copy_failed": _("The browser did not allow the copy. Select the text and copy it by hand."),
            "offline": _("The server does not answer. Check your connection, then try again."),
            "palette_none": _("Nothing found. Try another word."),
            "request_failed": _("Something went wrong. Try again."),
            "type_to_confirm": _("Type “{name}” to confirm"),
            "undo": _("Undo"),
        }

    @property
    def commands(self) -> list[dict[str, str]]:
        """The command palette's fixed entries."""
        go, act = _("Go to"), _("Actions")
        return [
            {"label": _("New agent"), "href": "/dashboard?new=1", "icon": "plus", "group": act},
            {"label": _("Agents"), "href": "/dashboard", "icon": "bot", "group": go, "keywords": "dashboard"},
            {"label": _("Store"), "href": "/store", "icon": "store", "group": go, "keywords": "marketplace"},
            {
                "label": _("My listings"),
                "href": "/store/mine",
                "icon": "layout-grid",
                "group": go,
                "keywords": "publish",
            },
            {"label": _("Library"), "href": "/store/library", "icon": "library", "group": go, "keywords": "bought"},
            {"label": _("Profile"), "href": "/settings", "icon": "user", "group": go},
            {"label": _("Security"), "href": "/settings/security", "icon": "shield-check", "group": go},
            {"label": _("Models"), "href": "/settings/models", "icon": "cpu", "group": go},
            {"label": _("Usage"), "href": "/settings/usage", "icon": "chart-column", "group": go, "keywords": "cost"},
            {"label": _("Workspace"), "href": "/settings/workspace", "icon": "briefcase", "group": go},
            {"label": _("API docs"), "href": "/docs", "icon": "book-open", "group": go},
            {"label": _("Light theme"), "click": "[data-set-theme=light]", "icon": "sun", "group": act},
            {"label": _("Dark theme"), "click": "[data-set-theme=dark]", "icon": "moon", "group": act},
            {"label": _("Sign out"), "click": "[action='/logout'] button", "icon": "log-out", "group": act},
        ]


def frame(request: HttpRequest) -> dict[str, Any]:
    return {"frame": SimpleLazyObject(lambda: Frame(request))}
