"""Is this request from our own pages? One answer for every door."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from accounts.errors import CrossSiteRefused

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def is_own_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names this site: the host that was asked, or one that the operator trusts."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:  # "http://[" is no address of ours, whatever it is
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and parts.netloc.lower() == host.lower()


def refuse_foreign_origin(request: HttpRequest) -> None:
    """Raise CrossSiteRefused for an unsafe request that a browser sends on behalf of another site."""
    origin = request.headers.get("Origin")
    if request.method in SAFE_METHODS or origin is None:
        return
    if not is_own_origin(origin, request.get_host()):
        raise CrossSiteRefused()


def require_own_page(request: HttpRequest) -> None:
    """Raise CrossSiteRefused for what no page of ours has sent; a program, too, must name its origin."""
    if not is_own_origin(request.headers.get("Origin", ""), request.get_host()):
        raise CrossSiteRefused()
