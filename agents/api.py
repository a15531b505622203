"""`/api/agents`: agents, their configuration and versions."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.workspace_api import WorkspaceView
from agents import selectors, services
from agents.config import SYSTEM_MESSAGES, TEMPERATURES, AgentConfig
from agents.gallery import get_template, list_templates
from agents.models import Agent, AgentVersion
from core.api import ErrorSerializer, StrictSerializer
from core.fields import PlainCharField
from llm.selectors import get_endpoint

LANGUAGES = ["auto", "en", "fr"]


class AppearanceSerializer(StrictSerializer):
    color = serializers.RegexField(r"^#[0-9a-fA-F]{6}$", max_length=7)
    color_2 = serializers.RegexField(r"^#[0-9a-fA-F]{6}$", max_length=7)
    glyph = PlainCharField(max_length=30, allow_blank=True)


class ConfigSerializer(StrictSerializer):
    """An agent's configuration; every field may be left out of a change."""

    instructions = PlainCharField(max_length=100_000, allow_blank=True, trim_whitespace=False, required=False)
    endpoint_id = serializers.UUIDField(allow_null=True, required=False)
    model = PlainCharField(max_length=200, allow_blank=True, required=False)
    temperature = serializers.FloatField(min_value=0, max_value=2, required=False)
    max_tokens = serializers.IntegerField(min_value=1, max_value=128_000, required=False)
    welcome_message = PlainCharField(max_length=2_000, allow_blank=True, required=False)
    suggested_questions = serializers.ListField(child=PlainCharField(max_length=200), max_length=6, required=False)
    knowledge_enabled = serializers.BooleanField(required=False)
    language = serializers.ChoiceField(choices=LANGUAGES, required=False)
    appearance = AppearanceSerializer(required=False)
    openai_system_messages = serializers.ChoiceField(choices=SYSTEM_MESSAGES, required=False)
    openai_temperature = serializers.ChoiceField(choices=TEMPERATURES, required=False)

    def validate_endpoint_id(self, value: UUID | None) -> str | None:
        return None if value is None else str(value)


class ConfigChangeSerializer(ConfigSerializer):
    """A change of the configuration; `version` is the draft's number it is based on (409 when it has moved on)."""

    version = serializers.IntegerField(min_value=1, required=False)


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent as its builder sees it: `config` and `version` are the draft's."""

    config = serializers.SerializerMethodField()
    version = serializers.SerializerMethodField()
    live_version = serializers.SerializerMethodField()

    class Meta:
        model = Agent
        fields = (
            "id", "name", "slug", "description", "status", "config", "version", "live_version",
            "created_at", "updated_at",
        )  # fmt: skip

    @extend_schema_field(ConfigSerializer)
    def get_config(self, agent: Agent) -> dict[str, Any]:
        return AgentConfig.from_json(agent.draft_version.config if agent.draft_version else {}).as_json()

    def get_version(self, agent: Agent) -> int:
        return agent.draft_version.number if agent.draft_version else 0

    def get_live_version(self, agent: Agent) -> int | None:
        return agent.live_version.number if agent.live_version else None


class AgentInputSerializer(StrictSerializer):
    name = PlainCharField(max_length=80)
    description = PlainCharField(max_length=500, allow_blank=True, required=False)
    config = ConfigSerializer(required=False)


class AgentChangeSerializer(StrictSerializer):
    name = PlainCharField(max_length=80, required=False)
    description = PlainCharField(max_length=500, allow_blank=True, required=False)


class VersionSerializer(serializers.ModelSerializer[AgentVersion]):
    author = serializers.SerializerMethodField()
    config = serializers.SerializerMethodField()

    class Meta:
        model = AgentVersion
        fields = ("id", "number", "config", "author", "created_at")

    def get_author(self, version: AgentVersion) -> str | None:
        return version.created_by.display_name if version.created_by else None

    @extend_schema_field(ConfigSerializer)
    def get_config(self, version: AgentVersion) -> dict[str, Any]:
        return AgentConfig.from_json(version.config).as_json()


class TemplateSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    category = serializers.CharField()
    glyph = serializers.CharField()


class TemplatesSerializer(serializers.Serializer[Any]):
    data = TemplateSerializer(many=True)  # type: ignore[assignment]  # the serializer's own `data` is for reading
    next = serializers.CharField(allow_null=True)


class AgentView(WorkspaceView):
    """Common ground: the actor, and the agent of the path within the actor's workspace."""

    serializer_class: Any = AgentSerializer

    @property
    def actor(self) -> User:
        return self.request.user  # type: ignore[return-value]

    def get_agent(self) -> Agent:
        return selectors.get_agent(self.workspace_id, self.kwargs["agent_id"])

    def require_endpoint(self, changes: dict[str, Any], draft: AgentVersion | None) -> None:
        """NotFound for another workspace's model endpoint. One that was chosen before and is gone may stay."""
        chosen = changes.get("endpoint_id")
        if chosen is not None and (draft is None or chosen != draft.config.get("endpoint_id")):
            get_endpoint(self.workspace_id, chosen)

    def answer_agent(self, agent: Agent, code: int = status.HTTP_200_OK) -> Response:
        return Response(AgentSerializer(agent).data, status=code)


class AgentList(AgentView):
    policy = {"GET": "agent.view", "POST": "agent.create"}

    @extend_schema(responses=AgentSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The workspace's agents, newest first."""
        return self.answer_page(selectors.list_agents(self.workspace_id), AgentSerializer)

    @extend_schema(request=AgentInputSerializer, responses={201: AgentSerializer, 422: ErrorSerializer})
    def post(self, request: Request) -> Response:
        """Create an agent."""
        given = self.read(AgentInputSerializer)
        changes = given.pop("config", {})
        self.require_endpoint(changes, None)
        config = AgentConfig.from_json({**AgentConfig().as_json(), **changes})
        agent = services.create_agent(workspace_id=self.workspace_id, actor=self.actor, config=config, **given)
        return self.answer_agent(agent, status.HTTP_201_CREATED)


class AgentDetail(AgentView):
    policy = {"GET": "agent.view", "PATCH": "agent.edit", "DELETE": "agent.delete"}

    @extend_schema(responses={200: AgentSerializer, 404: ErrorSerializer})
    def get(self, request: Request, agent_id: UUID) -> Response:
        """One agent."""
        return self.answer_agent(self.get_agent())

    @extend_schema(request=AgentChangeSerializer, responses={200: AgentSerializer, 422: ErrorSerializer})
    def patch(self, request: Request, agent_id: UUID) -> Response:
        """Rename or describe the agent."""
        agent = self.get_agent()
        return self.answer_agent(services.update_agent(agent=agent, **self.read(AgentChangeSerializer)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, agent_id: UUID) -> Response:
        """Delete the agent, its documents and its conversations. This cannot be undone."""
        services.delete_agent(agent=self.get_agent())
        return Response(status=status.HTTP_204_NO_CONTENT)


class AgentConfigDetail(AgentView):
    policy = {"PATCH": "agent.edit"}

    @extend_schema(request=ConfigChangeSerializer, responses={200: AgentSerializer, 409: ErrorSerializer})
    def patch(self, request: Request, agent_id: UUID) -> Response:
        """Change some of the configuration; a real change makes a new version."""
        agent = self.get_agent()
        changes = self.read(ConfigChangeSerializer)
        expected = changes.pop("version", None)
        self.require_endpoint(changes, agent.draft_version)
        saved = services.save_config(agent=agent, actor=self.actor, changes=changes, expected_version=expected)
        return self.answer_agent(saved)


class VersionList(AgentView):
    policy = {"GET": "agent.view"}

    @extend_schema(responses=VersionSerializer(many=True))
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's versions, newest first."""
        return self.answer_page(selectors.list_versions(self.get_agent()), VersionSerializer)


class VersionRollback(AgentView):
    policy = {"POST": "agent.edit"}

    @extend_schema(request=None, responses=AgentSerializer)
    def post(self, request: Request, agent_id: UUID, number: int) -> Response:
        """Make this version's configuration the draft again, as a new version."""
        return self.answer_agent(services.restore_version(agent=self.get_agent(), actor=self.actor, number=number))


class TemplateList(AgentView):
    policy = {"GET": "agent.view"}

    @extend_schema(responses=TemplatesSerializer)
    def get(self, request: Request) -> Response:
        """The templates a new agent can start from."""
        return Response({"data": TemplateSerializer(list_templates(), many=True).data, "next": None})


class AgentFromTemplate(AgentView):
    policy = {"POST": "agent.create"}

    @extend_schema(request=None, responses={201: AgentSerializer, 404: ErrorSerializer})
    def post(self, request: Request, template_id: str) -> Response:
        """Create an agent from a template."""
        template = get_template(template_id)
        agent = services.create_agent(
            workspace_id=self.workspace_id,
            actor=self.actor,
            name=str(template.name),
            description=str(template.description),
            config=template.make_config(),
        )
        return self.answer_agent(agent, status.HTTP_201_CREATED)
