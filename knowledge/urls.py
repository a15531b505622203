"""Routes of this app."""

from django.urls import URLPattern, URLResolver, path

from knowledge import api

_DOCUMENTS = "agents/<uuid:agent_id>/knowledge"
_DOCUMENT = f"{_DOCUMENTS}/<uuid:document_id>"

urlpatterns: list[URLPattern | URLResolver] = []
api_urlpatterns: list[URLPattern | URLResolver] = [
    path(_DOCUMENTS, api.DocumentsView.as_view(), name="knowledge-documents"),
    path(f"{_DOCUMENTS}/search", api.SearchView.as_view(), name="knowledge-search"),
    path(_DOCUMENT, api.DocumentView.as_view(), name="knowledge-document"),
    path(f"{_DOCUMENT}/chunks", api.ChunksView.as_view(), name="knowledge-chunks"),
    path(f"{_DOCUMENT}/retry", api.RetryView.as_view(), name="knowledge-retry"),
]
