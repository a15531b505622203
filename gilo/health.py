"""`GET /api/health`: whether this process can serve."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from core.api import error_response
from core.errors import Unavailable
from core.policy import PUBLIC, with_policy
from gilo.shutdown import is_leaving

PATIENCE_SECONDS = 3.0  # less than those who ask have; a database that is frozen says nothing at all
_asking = ThreadPoolExecutor(1, thread_name_prefix="health")


@with_policy(PUBLIC)
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers; the frame around every view turns a database that is down into 503.

    503 also while the process is stopping: a load balancer then turns to others, before this one refuses connections.
    """
    if is_leaving():
        return error_response(request, Unavailable("This process is stopping."))
    answer = _asking.submit(_ask_database)
    try:
        answer.result(PATIENCE_SECONDS)
    except TimeoutError:
        answer.cancel()
        raise Unavailable() from None
    return JsonResponse({"status": "ok"})


def _ask_database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()
