"""The one way to read rows that belong to a workspace.

`Thing.objects.for_workspace(workspace)` starts every query; an id of another workspace and an id that does not
exist raise the same `NotFound`, so that a caller cannot tell them apart.
"""

from typing import Any, Self, TypeVar
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import models

from core.errors import NotFound

M = TypeVar("M", bound=models.Model)


class ScopedQuerySet(models.QuerySet[M]):
    """Rows that reach their workspace through `model.workspace_path` (default: the field `workspace`)."""

    def for_workspace(self, workspace: Any) -> Self:
        """Only the rows of this workspace (an instance or its id)."""
        path = getattr(self.model, "workspace_path", "workspace")
        return self.filter(**{path: workspace})

    def get_or_404(self, **conditions: Any) -> M:
        """The one row, or `NotFound` with the same words whatever the reason."""
        try:
            return self.get(**conditions)
        except (ObjectDoesNotExist, ValidationError, ValueError, TypeError):
            raise NotFound() from None


def parse_id(text: str) -> UUID:
    """A UUID from a path or a body, or `NotFound`: a malformed id names nothing."""
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        raise NotFound() from None
