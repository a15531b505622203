"""Routes of integrations: pages and API. `hosted_urlpatterns` come after all others: an agent's name is the path."""

from django.urls import URLPattern, URLResolver, path

from integrations import api, views, visitors_api

urlpatterns: list[URLPattern | URLResolver] = [
    path("widget.js", views.widget_script, name="widget-script"),
    path("widget/<uuid:agent_id>", views.widget_frame, name="widget-frame"),
    path("agents/<uuid:agent_id>/widget-preview", views.widget_preview, name="widget-preview"),
]
_WEBHOOK = "agents/<uuid:agent_id>/webhooks/<uuid:webhook_id>"
_DELIVERY = f"{_WEBHOOK}/deliveries/<uuid:delivery_id>"
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/<uuid:agent_id>/webhooks", api.WebhookList.as_view(), name="api-webhooks"),
    path(_WEBHOOK, api.WebhookDetail.as_view(), name="api-webhook"),
    path(f"{_WEBHOOK}/test", api.WebhookTest.as_view(), name="api-webhook-test"),
    path(f"{_WEBHOOK}/rotate-secret", api.WebhookSecret.as_view(), name="api-webhook-secret"),
    path(f"{_WEBHOOK}/replay", api.WebhookReplay.as_view(), name="api-webhook-replay"),
    path(f"{_WEBHOOK}/deliveries", api.DeliveryList.as_view(), name="api-webhook-deliveries"),
    path(_DELIVERY, api.DeliveryDetail.as_view(), name="api-webhook-delivery"),
    path(f"{_DELIVERY}/replay", api.DeliveryReplay.as_view(), name="api-webhook-delivery-replay"),
    path("v1/visitor-sessions", visitors_api.VisitorSessionList.as_view(), name="api-visitor-sessions"),
]
hosted_urlpatterns: list[URLPattern | URLResolver] = [
    path("<slug:slug>", views.hosted_page, name="hosted-page"),
]
