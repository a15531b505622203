"""Real rows for tests, made through the product's own services."""

from itertools import count

from django.utils import timezone

from accounts.models import Membership, Role, User, Workspace
from agents import services
from agents.config import AgentConfig
from agents.models import Agent
from chat.models import EventType, OutboxEvent
from integrations.models import WebhookEndpoint
from integrations.services import create_webhook

_numbers = count(1)
PASSWORD = "correct horse battery"


def make_user(**fields: object) -> User:
    return User.objects.create_user(email=f"user{next(_numbers)}@example.com", password=None, **fields)


def make_workspace(*, owner: User | None = None, role: Role = Role.OWNER) -> tuple[Workspace, User]:
    """A workspace with one member."""
    user = owner or make_user()
    personal = None if owner else user.memberships.select_related("workspace").first()
    if personal:  # a new user has a workspace from the start: the one that pages open
        personal.role = role
        personal.save()
        return personal.workspace, user
    workspace = Workspace.objects.create(name=f"Workspace {next(_numbers)}")
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return workspace, user


def make_agent(workspace: Workspace, *, name: str = "Guide", **config: object) -> Agent:
    return services.create_agent(
        workspace_id=workspace.pk,
        actor=None,
        name=name,
        config=AgentConfig(**config),  # type: ignore[arg-type]
    )


def make_key(agent: Agent, name: str = "test") -> str:
    """The plain text of a new API key."""
    return services.create_api_key(agent=agent, actor=None, name=name)[1]


def make_webhook(agent: Agent, url: str, *, events: list[str] | None = None) -> tuple[WebhookEndpoint, str]:
    """A webhook endpoint and its secret; by default it hears of every event."""
    return create_webhook(agent=agent, url=url, events=events or list(EventType.values))


def make_event(agent: Agent, type: str = EventType.MESSAGE_CREATED, **data: object) -> OutboxEvent:
    """An event as a chat writes it, when somebody wants it."""
    return OutboxEvent.objects.create(
        workspace_id=agent.workspace_id,
        agent=agent,
        type=type,
        data={"agent_id": str(agent.pk), **data},
        created_at=timezone.now(),
    )
