"""`GET /api/health`: whether this process can serve."""

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from core.api import error_response
from core.errors import Unavailable
from core.policy import PUBLIC, with_policy
from gilo.shutdown import is_leaving


@with_policy(PUBLIC)
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers; the frame around every view turns a database that is down into 503.

    503 also while the process is stopping: a load balancer then turns to others, before this one refuses connections.
    """
    if is_leaving():
        return error_response(request, Unavailable("This process is stopping."))
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
