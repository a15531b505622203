"""Abstract bases. Concrete tables live in the apps."""

from django.db import models

from core.ids import uuid7


class Identified(models.Model):
    """A UUIDv7 primary key."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class Timestamped(Identified):
    """An identified row that knows when it was made and last changed."""

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
