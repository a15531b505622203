"""Routes of the store: pages and API."""

from django.urls import URLPattern, URLResolver, path

from store import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("store", views.storefront, name="store"),
    path("store/<slug:slug>", views.detail, name="store-listing"),
]
api_urlpatterns: list[URLPattern | URLResolver] = []
