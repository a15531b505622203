"""`/api/agents/{id}/deploy` and `/deployment`: an agent towards the outside."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import services
from agents.api import AgentSerializer, AgentView
from agents.deployment import MAX_SLUG, describe_deployment, update_deployment
from agents.models import AgentStatus
from core.api import ErrorSerializer, StrictSerializer
from core.fields import PlainCharField


class HostedSerializer(serializers.Serializer[Any]):
    """The agent's own page."""

    enabled = serializers.BooleanField()
    indexed = serializers.BooleanField(help_text="Search engines may list it.")
    url = serializers.CharField()


class DeploymentSerializer(serializers.Serializer[Any]):
    """Whether and where the agent is called. `live_version` answers; null: the draft does, until the first deploy."""

    status = serializers.ChoiceField(choices=AgentStatus.choices)
    is_serving = serializers.BooleanField()
    slug = serializers.CharField()
    live_version = serializers.IntegerField(allow_null=True)
    draft_version = serializers.IntegerField()
    urls = serializers.DictField(child=serializers.CharField())
    hosted = HostedSerializer()


class DeploymentChangeSerializer(StrictSerializer):
    """What can be changed: programs and pages on or off, the own page (and whether it is listed), its name."""

    is_serving = serializers.BooleanField(required=False)
    hosted_enabled = serializers.BooleanField(required=False)
    hosted_indexed = serializers.BooleanField(required=False)
    slug = PlainCharField(max_length=MAX_SLUG, required=False)


class AgentDeploy(AgentView):
    policy = {"POST": "agent.deploy"}

    @extend_schema(request=None, responses=AgentSerializer)
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Put the draft version live."""
        return self.answer_agent(services.deploy_agent(agent=self.get_agent()))


class AgentDeployment(AgentView):
    policy = {"GET": "agent.view", "PATCH": "agent.deploy"}
    serializer_class = DeploymentSerializer

    @extend_schema(responses=DeploymentSerializer)
    def get(self, request: Request, agent_id: UUID) -> Response:
        """Whether the agent serves, and where."""
        return Response(describe_deployment(self.get_agent()))

    @extend_schema(
        request=DeploymentChangeSerializer,
        responses={200: DeploymentSerializer, 409: ErrorSerializer, 422: ErrorSerializer},
    )
    def patch(self, request: Request, agent_id: UUID) -> Response:
        """Switch the agent or its page on or off, or change its name in addresses."""
        agent = self.get_agent()
        changes = self.read(DeploymentChangeSerializer)
        return Response(describe_deployment(update_deployment(agent=agent, actor=self.actor, **changes)))
