"""Routes of the store: pages and API."""

from django.urls import URLPattern, URLResolver, path

from store import views
from store.api_urls import api_urlpatterns, icon_urlpatterns

urlpatterns: list[URLPattern | URLResolver] = [
    path("store", views.storefront, name="store"),
    path("store/<slug:slug>", views.detail, name="store-listing"),
    *icon_urlpatterns,
]

__all__ = ["api_urlpatterns", "urlpatterns"]
