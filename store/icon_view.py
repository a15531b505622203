"""The address of an uploaded icon."""

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from core.errors import NotFound
from core.policy import PUBLIC, with_policy
from store.selectors import find_icon

_CACHE = "public, max-age=31536000, immutable"  # `store.icons.icon_url` names each icon anew


@with_policy(PUBLIC)
@require_safe
def listing_icon(request: HttpRequest, slug: str) -> HttpResponse:
    """The icon that was drawn from an upload; a listing with a generated one has none here."""
    try:
        with default_storage.open(find_icon(slug)) as file:
            response = HttpResponse(file.read(), content_type="image/webp")
    except FileNotFoundError:  # replaced or deleted at this moment
        raise NotFound() from None
    response["Cache-Control"] = _CACHE
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'"
    return response
