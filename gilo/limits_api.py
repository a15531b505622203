"""`/api/workspace/limits`: the plan's limits, and how much of them is used now."""

from datetime import UTC, datetime
from typing import Any

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Workspace
from accounts.selectors import workspace_of
from accounts.workspace_api import WorkspaceView
from billing.api import PlanSerializer
from billing.plans import windows_of
from chat.transports.admission import limiter
from core.ratelimit import DAY_SECONDS
from gilo.selectors import PlanUsage


class QuotaSerializer(serializers.Serializer[Any]):
    """How much of something is used; without a limit it is null."""

    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True)


class WindowSerializer(serializers.Serializer[Any]):
    """One rate limit, as the X-RateLimit headers tell it to programs."""

    name = serializers.ChoiceField(choices=["minute", "day"])
    limit = serializers.IntegerField()
    used = serializers.IntegerField()
    remaining = serializers.IntegerField()
    resets_at = serializers.DateTimeField()


class LimitsSerializer(serializers.Serializer[Any]):
    """A workspace's limits. `windows` has only what the plan limits."""

    plan = PlanSerializer()
    agents = QuotaSerializer()
    knowledge = QuotaSerializer(help_text="Bytes of documents.")
    members = QuotaSerializer()
    requests_today = QuotaSerializer()
    windows = WindowSerializer(many=True)


class WorkspaceLimits(WorkspaceView):
    policy = {"GET": "workspace.view"}
    serializer_class = LimitsSerializer
    pagination_class = None

    @extend_schema(responses=LimitsSerializer)
    def get(self, request: Request) -> Response:
        """The limits of the workspace's plan, and how much of them is used now."""
        workspace = workspace_of(self.principal)
        usage = PlanUsage(workspace)
        limits = {
            "plan": usage.details,
            "agents": usage.agents,
            "knowledge": usage.knowledge,
            "members": usage.members,
            "requests_today": usage.requests,
            "windows": _describe_windows(workspace, usage.requests.used),
        }
        return Response(LimitsSerializer(limits).data)


def _describe_windows(workspace: Workspace, used_today: int) -> list[dict[str, Any]]:
    windows = windows_of(workspace.plan)
    counts = async_to_sync(limiter.peek)(str(workspace.pk), windows)
    now = datetime.now(UTC).timestamp()
    described = []
    for window, count in zip(windows, counts, strict=True):
        used = used_today if window.seconds == DAY_SECONDS else count
        ends_at = (now // window.seconds + 1) * window.seconds
        described.append(
            {
                "name": window.name,
                "limit": window.limit,
                "used": used,
                "remaining": max(window.limit - used, 0),
                "resets_at": datetime.fromtimestamp(ends_at, UTC),
            }
        )
    return described
