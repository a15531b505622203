"""Django's ASGI handler, with an answer also to what it can make no request of."""

from http import HTTPStatus
from typing import Any

import orjson
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from core.errors import BadRequest
from core.ids import uuid7_hex
from core.middleware import REQUEST_ID_HEADER


class DjangoDoor(ASGIHandler):
    """Everything that is no raw endpoint."""

    def create_request(self, scope: Any, body_file: Any) -> tuple[ASGIRequest, None] | tuple[None, HttpResponseBase]:
        """Django foresees a path that is no UTF-8, but no header parameter in an encoding that nobody knows."""
        try:
            return super().create_request(scope, body_file)
        except ValueError:
            return None, _refuse()


def _refuse() -> HttpResponse:
    request_id = uuid7_hex()
    body = orjson.dumps(BadRequest("The request's headers cannot be read.").body(request_id))
    return HttpResponse(
        body,
        status=HTTPStatus.BAD_REQUEST,
        content_type="application/json",
        headers={REQUEST_ID_HEADER: request_id, "Content-Length": str(len(body))},
    )
