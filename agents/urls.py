"""Routes of agents: pages and API."""

from django.urls import URLPattern, URLResolver, path

from agents import api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/<uuid:agent_id>", views.builder, name="agent-builder"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("agents", api.AgentList.as_view(), name="api-agents"),
    path("agents/from-template/<slug:template_id>", api.AgentFromTemplate.as_view(), name="api-agent-from-template"),
    path("agents/<uuid:agent_id>", api.AgentDetail.as_view(), name="api-agent"),
    path("agents/<uuid:agent_id>/config", api.AgentConfigDetail.as_view(), name="api-agent-config"),
    path("agents/<uuid:agent_id>/deploy", api.AgentDeployment.as_view(), name="api-agent-deploy"),
    path("agents/<uuid:agent_id>/versions", api.VersionList.as_view(), name="api-agent-versions"),
    path(
        "agents/<uuid:agent_id>/versions/<int:number>/rollback",
        api.VersionRollback.as_view(),
        name="api-agent-rollback",
    ),
    path("agents/<uuid:agent_id>/api-keys", api.ApiKeyList.as_view(), name="api-agent-keys"),
    path("agents/<uuid:agent_id>/api-keys/<uuid:key_id>", api.ApiKeyDetail.as_view(), name="api-agent-key"),
    path("templates", api.TemplateList.as_view(), name="api-templates"),
]
