"""Routes of model endpoints: pages and API."""

from django.urls import URLPattern, URLResolver, path

from llm import api, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("settings/models", views.settings_models, name="settings-models"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("models", api.ModelList.as_view(), name="api-models"),
    path("model-endpoints", api.ModelEndpointList.as_view(), name="api-model-endpoints"),
    path("model-endpoints/test", api.ModelEndpointProbe.as_view(), name="api-model-endpoint-test"),
    path("model-endpoints/<uuid:endpoint_id>", api.ModelEndpointDetail.as_view(), name="api-model-endpoint"),
    path(
        "model-endpoints/<uuid:endpoint_id>/test",
        api.StoredModelEndpointProbe.as_view(),
        name="api-model-endpoint-stored-test",
    ),
]
