"""What the views of the dashboard API share: who asks, the body that came, a page of rows."""

from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response

from accounts.permissions import Principal
from core.api import Page, check_fields
from core.policy import Policy


class WorkspaceView(GenericAPIView[Any]):
    """A view within one workspace. `policy` names the action that each method needs (see core/policy.py)."""

    serializer_class: Any = serializers.Serializer
    pagination_class: Any = Page
    policy: Policy = {}

    @property
    def principal(self) -> Principal:
        principal: Principal = self.request._request.principal  # type: ignore[attr-defined]
        return principal

    @property
    def workspace_id(self) -> UUID:
        return self.principal.workspace_id

    def read(self, serializer: type[serializers.BaseSerializer[Any]]) -> dict[str, Any]:
        """The request's validated body; raises a validation error that names each wrong field."""
        return check_fields(serializer, self.request.data)

    def answer_page(self, queryset: Any, serializer: type[serializers.BaseSerializer[Any]]) -> Response:
        """One page of the rows, as `{"data": [...], "next": cursor|null}`."""
        page = self.paginate_queryset(queryset)
        return self.get_paginated_response(serializer(page, many=True).data)
