"""Routes of agents: pages and API."""

from django.urls import URLPattern, URLResolver, path

from agents import api, budgets_api, deployment_api, key_api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/<uuid:agent_id>", views.builder, name="agent-builder"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("agents", api.AgentList.as_view(), name="api-agents"),
    path("agents/from-template/<slug:template_id>", api.AgentFromTemplate.as_view(), name="api-agent-from-template"),
    path("agents/<uuid:agent_id>", api.AgentDetail.as_view(), name="api-agent"),
    path("agents/<uuid:agent_id>/config", api.AgentConfigDetail.as_view(), name="api-agent-config"),
    path("agents/<uuid:agent_id>/deploy", deployment_api.AgentDeploy.as_view(), name="api-agent-deploy"),
    path("agents/<uuid:agent_id>/deployment", deployment_api.AgentDeployment.as_view(), name="api-agent-deployment"),
    path("agents/<uuid:agent_id>/versions", api.VersionList.as_view(), name="api-agent-versions"),
    path(
        "agents/<uuid:agent_id>/versions/<int:number>/rollback",
        api.VersionRollback.as_view(),
        name="api-agent-rollback",
    ),
    path("agents/<uuid:agent_id>/api-keys", key_api.ApiKeyList.as_view(), name="api-agent-keys"),
    path("agents/<uuid:agent_id>/api-keys/<uuid:key_id>", key_api.ApiKeyDetail.as_view(), name="api-agent-key"),
    path(
        "agents/<uuid:agent_id>/api-keys/<uuid:key_id>/rotate",
        key_api.ApiKeyRotation.as_view(),
        name="api-agent-key-rotate",
    ),
    path(
        "agents/<uuid:agent_id>/api-keys/<uuid:key_id>/identity-secret",
        key_api.ApiKeyIdentitySecret.as_view(),
        name="api-agent-key-identity-secret",
    ),
    path("agents/<uuid:agent_id>/budgets", budgets_api.BudgetList.as_view(), name="api-agent-budgets"),
    path(
        "agents/<uuid:agent_id>/budgets/<uuid:budget_id>", budgets_api.BudgetDetail.as_view(), name="api-agent-budget"
    ),
    path("templates", api.TemplateList.as_view(), name="api-templates"),
]
