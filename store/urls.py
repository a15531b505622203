"""Routes of the store: pages and API."""

from django.urls import URLPattern, URLResolver, path

from store import maker_views, views
from store.api_urls import api_urlpatterns
from store.icon_view import listing_icon

urlpatterns: list[URLPattern | URLResolver] = [
    path("store", views.storefront, name="store"),
    path("store/library", maker_views.library, name="store-library"),
    path("store/mine", maker_views.mine, name="store-mine"),
    path("store/mine/<uuid:listing_id>", maker_views.mine_listing, name="store-mine-listing"),
    path("store/moderation", maker_views.moderation, name="store-moderation"),
    path("store/publish/<uuid:agent_id>", maker_views.publish, name="store-publish"),
    path("store/creators/<slug:handle>", views.creator, name="store-creator"),
    path("store/<slug:slug>", views.detail, name="store-listing"),
    path("store/<slug:slug>/chat", views.chat, name="store-chat"),
    path("store/<slug:slug>/og.png", views.share_image, name="store-share-image"),
    path("store/<slug:slug>/icon", listing_icon, name="store-icon"),
]

__all__ = ["api_urlpatterns", "urlpatterns"]
