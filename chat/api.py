"""The dashboard's reads and small writes: conversations of an agent, their messages, feedback."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import is_allowed
from accounts.workspace_api import WorkspaceView
from agents.models import Agent, ApiKey
from agents.selectors import get_agent
from chat import selectors, services
from chat.models import Channel, Conversation, Message, MessageRole, MessageStatus, Run
from core.api import ErrorSerializer, Page, StrictSerializer
from core.errors import ValidationFailed
from core.fields import PlainCharField


class ConversationPage(Page):
    """Last active first."""

    ordering = "-last_message_at"


class MessagePage(Page):
    """In the order in which they were written."""

    ordering = "id"


class ConversationOutput(serializers.ModelSerializer[Conversation]):
    """A conversation in a list."""

    channel = serializers.ChoiceField(choices=Channel.choices)

    class Meta:
        model = Conversation
        fields = ("id", "title", "channel", "end_user", "created_at", "last_message_at")


class RunOutput(serializers.ModelSerializer[Run]):
    """How an answer was made: model, tokens, list price in US dollars, milliseconds, and what went wrong."""

    status = serializers.ChoiceField(choices=MessageStatus.choices)
    cost_usd = serializers.FloatField()
    error = serializers.JSONField(allow_null=True)

    class Meta:
        model = Run
        fields = (
            "id", "status", "model", "input_tokens", "output_tokens", "cost_usd", "ttft_ms", "latency_ms", "error",
        )  # fmt: skip


class MessageOutput(serializers.ModelSerializer[Message]):
    """A message; an answer has its run. `feedback` is 1, -1 or null."""

    role = serializers.ChoiceField(choices=MessageRole.choices)
    status = serializers.ChoiceField(choices=MessageStatus.choices)
    citations = serializers.ListField(child=serializers.DictField())
    run = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = ("id", "role", "content", "status", "citations", "feedback", "feedback_comment", "created_at", "run")

    @extend_schema_field(RunOutput(allow_null=True))
    def get_run(self, message: Message) -> dict[str, Any] | None:
        runs = list(message.runs.all())
        return dict(RunOutput(runs[0]).data) if runs else None


class CallKeyOutput(serializers.ModelSerializer[ApiKey]):
    """The key that made a call, to those who may see keys."""

    class Meta:
        model = ApiKey
        fields = ("id", "name", "prefix")


class CallErrorOutput(serializers.Serializer[Any]):
    """Why a call failed."""

    code = serializers.CharField()
    message = serializers.CharField()


class CallOutput(serializers.ModelSerializer[Run]):
    """One call of an agent: when, from where, by whom, how fast, how much, and how it ended."""

    channel = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=MessageStatus.choices)
    end_user = serializers.CharField(source="conversation.end_user")
    cost_usd = serializers.FloatField()
    api_key = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = (
            "id", "conversation_id", "started_at", "channel", "api_key", "end_user", "status", "error", "model",
            "latency_ms", "ttft_ms", "input_tokens", "output_tokens", "cost_usd", "finish_reason",
        )  # fmt: skip

    @extend_schema_field(serializers.ChoiceField(choices=Channel.choices))
    def get_channel(self, run: Run) -> str:
        return run.channel or run.conversation.channel

    @extend_schema_field(CallKeyOutput(allow_null=True))
    def get_api_key(self, run: Run) -> dict[str, Any] | None:
        return dict(CallKeyOutput(run.api_key).data) if run.api_key and self.context["shows_keys"] else None

    @extend_schema_field(CallErrorOutput(allow_null=True))
    def get_error(self, run: Run) -> dict[str, Any] | None:
        return {"code": run.error.get("code", ""), "message": run.error.get("message", "")} if run.error else None


class FeedbackInput(StrictSerializer):
    value = serializers.ChoiceField(choices=[1, -1, 0], help_text="1 is thumbs up, -1 thumbs down, 0 takes it back.")
    comment = PlainCharField(max_length=1000, allow_blank=True, required=False)


class ChatView(WorkspaceView):
    """Common ground of the views on conversations."""

    serializer_class: Any = ConversationOutput

    def read_choice(self, name: str, values: list[str]) -> str:
        """A query parameter that is one of these or absent (""); raises ValidationFailed."""
        value = self.request.query_params.get(name, "")
        if value and value not in values:
            raise ValidationFailed(f"There is no such {name}.", param=name)
        return value


class ConversationList(ChatView):
    policy = {"GET": "conversation.view"}
    pagination_class = ConversationPage

    @extend_schema(
        parameters=[OpenApiParameter("channel", enum=Channel.values, description="Only of this channel.")],
        responses={200: ConversationOutput(many=True), 404: ErrorSerializer},
    )
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's conversations, last active first: those by API, and your own in the playground."""
        agent = get_agent(self.principal.workspace_id, agent_id)
        channel = self.read_choice("channel", Channel.values)
        return self.answer_page(selectors.list_conversations(self.principal, agent.pk, channel), ConversationOutput)


class AgentName(serializers.ModelSerializer[Agent]):
    """Whose conversation it is."""

    class Meta:
        model = Agent
        fields = ("id", "name")


class OwnConversationOutput(serializers.ModelSerializer[Conversation]):
    """One of the member's own conversations."""

    agent = AgentName()

    class Meta:
        model = Conversation
        fields = ("id", "title", "agent", "created_at", "last_message_at")


class OwnConversationList(ChatView):
    policy = {"GET": "conversation.view"}
    pagination_class = ConversationPage

    @extend_schema(responses={200: OwnConversationOutput(many=True)})
    def get(self, request: Request) -> Response:
        """Your own conversations in the playgrounds of all agents, last active first."""
        return self.answer_page(selectors.list_own_conversations(self.principal), OwnConversationOutput)


class RunPage(Page):
    """Newest first: the ids rise with time."""

    ordering = "-id"


class RunList(ChatView):
    policy = {"GET": "conversation.view"}
    serializer_class = CallOutput
    pagination_class = RunPage

    @extend_schema(
        parameters=[
            OpenApiParameter("channel", enum=Channel.values, description="Only of this channel."),
            OpenApiParameter("status", enum=MessageStatus.values, description="Only those that ended, or go on, so."),
        ],
        responses={200: CallOutput(many=True), 404: ErrorSerializer},
    )
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's last calls, newest first: those from outside, and your own in the playground."""
        agent = get_agent(self.principal.workspace_id, agent_id)
        channel = self.read_choice("channel", Channel.values)
        status_wanted = self.read_choice("status", MessageStatus.values)
        runs = self.paginate_queryset(selectors.list_runs(self.principal, agent.pk, channel, status_wanted))
        context = {"shows_keys": is_allowed(self.principal, "api_key.view")}
        return self.get_paginated_response(CallOutput(runs, many=True, context=context).data)


class ConversationDetail(ChatView):
    policy = {"DELETE": "agent.chat"}

    @extend_schema(responses={204: None, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer})
    def delete(self, request: Request, conversation_id: UUID) -> Response:
        """Delete a conversation with all its messages; an answer being written is stopped first. There is no undo.

        What came from outside may be deleted by owners and editors only.
        """
        services.delete_conversation(principal=self.principal, conversation_id=conversation_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MessageList(ChatView):
    policy = {"GET": "conversation.view"}
    serializer_class = MessageOutput
    pagination_class = MessagePage

    @extend_schema(responses={200: MessageOutput(many=True), 404: ErrorSerializer})
    def get(self, request: Request, conversation_id: UUID) -> Response:
        """The conversation's messages, oldest first. Answers that were regenerated since are left out."""
        conversation = selectors.get_conversation(self.principal, conversation_id)
        return self.answer_page(selectors.list_messages(conversation), MessageOutput)


class MessageFeedback(ChatView):
    policy = {"POST": "agent.chat"}
    serializer_class = FeedbackInput

    @extend_schema(
        request=FeedbackInput,
        responses={200: MessageOutput, 403: ErrorSerializer, 404: ErrorSerializer, 422: ErrorSerializer},
    )
    def post(self, request: Request, message_id: UUID) -> Response:
        """Thumbs up or down on an answer; on one that went outside, by owners and editors only."""
        given = self.read(FeedbackInput)
        message = services.give_feedback(principal=self.principal, message_id=message_id, **given)
        return Response(MessageOutput(message).data)
