"""Routes of the chat that Django serves; the streaming ones are in routing.py."""

from django.urls import URLPattern, URLResolver, path

from chat import api

urlpatterns: list[URLPattern | URLResolver] = []
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("agents/<uuid:agent_id>/conversations", api.ConversationList.as_view(), name="api-conversations"),
    path("agents/<uuid:agent_id>/runs", api.RunList.as_view(), name="api-runs"),
    path("conversations", api.OwnConversationList.as_view(), name="api-own-conversations"),
    path("conversations/<uuid:conversation_id>", api.ConversationDetail.as_view(), name="api-conversation"),
    path("conversations/<uuid:conversation_id>/messages", api.MessageList.as_view(), name="api-messages"),
    path("messages/<uuid:message_id>/feedback", api.MessageFeedback.as_view(), name="api-feedback"),
]
