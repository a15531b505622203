"""`GET /api/health`: whether this process can serve."""

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from core.policy import PUBLIC, with_policy


@with_policy(PUBLIC)
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers; the frame around every view turns a database that is down into 503."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
