"""`/api/agents/{id}/budgets`: the caps on an agent's money and tokens. Billing is below, so the agent is found here."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api import AgentView
from agents.config import AgentConfig
from agents.keys import forget_keys
from agents.models import Agent
from agents.selectors import list_api_keys
from agents.services import require_editable
from billing import selectors, services
from billing.models import Budget, Period, Scope
from core.api import ErrorSerializer, Page, StrictSerializer
from llm.selectors import have_prices

_CENT = Decimal("0.01")
_MOST_USD = Decimal(1_000_000)
_MOST_TOKENS = 10**12


class UseSerializer(serializers.Serializer[Any]):
    """What is used in the period that is under way. Of a budget per key, user or conversation: by the fullest one.

    `share` is from 0 to 1, reserved amounts included; `subject` names the fullest one, `subjects` counts them.
    Keys that replaced one another are one, named by the oldest.
    """

    spent_usd = serializers.FloatField()
    spent_tokens = serializers.IntegerField()
    reserved_usd = serializers.FloatField()
    reserved_tokens = serializers.IntegerField()
    share = serializers.FloatField()
    subject = serializers.CharField()
    subjects = serializers.IntegerField()
    resets_at = serializers.DateTimeField(allow_null=True)


class BudgetSerializer(serializers.ModelSerializer[Budget]):
    """A budget and how it stands."""

    limit_usd = serializers.FloatField(allow_null=True)
    use = UseSerializer()

    class Meta:
        model = Budget
        fields = (
            "id", "scope", "api_key_id", "period", "limit_usd", "limit_tokens", "is_active", "created_at", "use",
        )  # fmt: skip


class BudgetChangeSerializer(StrictSerializer):
    """Limits in dollars and tokens (null: no limit), and whether the budget holds."""

    limit_usd = serializers.DecimalField(
        max_digits=12, decimal_places=4, min_value=_CENT, max_value=_MOST_USD, allow_null=True, required=False
    )
    limit_tokens = serializers.IntegerField(min_value=1, max_value=_MOST_TOKENS, allow_null=True, required=False)
    is_active = serializers.BooleanField(required=False)


class BudgetInputSerializer(BudgetChangeSerializer):
    """A new budget: what it counts, for how long, and how much. With `api_key_id` one key's alone."""

    scope = serializers.ChoiceField(choices=Scope.choices)
    period = serializers.ChoiceField(choices=Period.choices)
    api_key_id = serializers.UUIDField(allow_null=True, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("api_key_id") is not None and attrs["scope"] != Scope.API_KEY:
            raise serializers.ValidationError({"api_key_id": ["Only a budget of API keys can name a key."]})
        return attrs


class BudgetPage(Page):
    """Budgets, and `has_price`: whether GiLo knows what the agent's model costs. Else no budget in dollars holds it."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page = super().get_paginated_response_schema(schema)
        page["required"].append("has_price")
        page["properties"]["has_price"] = {"type": "boolean"}
        return page


class BudgetView(AgentView):
    serializer_class = BudgetSerializer

    def get_budget(self) -> Budget:
        agent = self.get_agent()
        return selectors.list_budgets(self.workspace_id, agent.pk).get_or_404(pk=self.kwargs["budget_id"])

    def answer_budget(self, budget: Budget, code: int = status.HTTP_200_OK) -> Response:
        forget_keys()  # they bring the caps to the hot path
        return Response(_with_use([budget])[0], status=code)


class BudgetList(BudgetView):
    policy = {"GET": "agent.view", "POST": "agent.deploy"}
    pagination_class = BudgetPage

    @extend_schema(responses=BudgetSerializer(many=True))
    def get(self, request: Request, agent_id: UUID) -> Response:
        """The agent's budgets, newest first, and how they stand; `has_price` false: no budget in dollars holds it."""
        agent = self.get_agent()
        budgets = self.paginate_queryset(selectors.list_budgets(self.workspace_id, agent.pk))
        response = self.get_paginated_response(_with_use(budgets or []))
        response.data["has_price"] = _has_price(agent)
        return response

    @extend_schema(
        request=BudgetInputSerializer, responses={201: BudgetSerializer, 409: ErrorSerializer, 422: ErrorSerializer}
    )
    def post(self, request: Request, agent_id: UUID) -> Response:
        """Add a budget. It holds from the next turn on."""
        agent = self.get_agent()
        given = self.read(BudgetInputSerializer)
        require_editable(agent)
        _require_key(agent, given.get("api_key_id"))
        budget = services.create_budget(workspace_id=self.workspace_id, agent_id=agent.pk, **given)
        return self.answer_budget(budget, status.HTTP_201_CREATED)


class BudgetDetail(BudgetView):
    policy = {"PATCH": "agent.deploy", "DELETE": "agent.deploy"}

    @extend_schema(request=BudgetChangeSerializer, responses={200: BudgetSerializer, 422: ErrorSerializer})
    def patch(self, request: Request, agent_id: UUID, budget_id: UUID) -> Response:
        """Change the limits, or switch the budget on or off. What was used in this period stays counted."""
        budget, changes = self.get_budget(), self.read(BudgetChangeSerializer)
        if changes != {"is_active": False}:  # what a smaller plan has no room for may still be switched off
            require_editable(self.get_agent())
        return self.answer_budget(services.update_budget(budget=budget, **changes))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, agent_id: UUID, budget_id: UUID) -> Response:
        """Delete the budget and what it counted."""
        services.delete_budget(budget=self.get_budget())
        forget_keys()
        return Response(status=status.HTTP_204_NO_CONTENT)


def _require_key(agent: Agent, key_id: UUID | None) -> None:
    if key_id is not None:
        list_api_keys(agent).get_or_404(pk=key_id)


def _has_price(agent: Agent) -> bool:
    """Of the draft, which the playground asks, and of what is live."""
    versions = [version for version in (agent.draft_version, agent.live_version) if version is not None]
    configs = [AgentConfig.from_json(version.config) for version in versions]
    return have_prices(agent.workspace_id, [(config.endpoint_id, config.model) for config in configs])


def _with_use(budgets: list[Budget]) -> list[dict[str, Any]]:
    uses = selectors.read_use(budgets)
    for budget in budgets:
        budget.use = uses[budget.pk]  # type: ignore[attr-defined]
    return list(BudgetSerializer(budgets, many=True).data)
