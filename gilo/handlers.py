"""What answers when no view does: unknown paths, hostile requests, a database that is down before a view is reached."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from accounts.middleware import respond_with
from core.api import error_response, to_gilo_error
from core.errors import BadRequest, NotFound, PermissionDenied


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return respond_with(request, BadRequest())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return respond_with(request, PermissionDenied())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return respond_with(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 with Retry-After while the database restarts. Touches neither the database nor the session."""
    cause = sys.exc_info()[1]
    error = to_gilo_error(cause if isinstance(cause, Exception) else Exception("unknown"))
    if request.path.startswith("/api/"):
        return error_response(request, error)
    page = render_to_string("gilo/unavailable.html", {"error": error})
    return HttpResponse(page, status=int(error.status), headers=error.headers)
