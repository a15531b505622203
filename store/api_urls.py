"""Routes of the store's API."""

from django.urls import URLPattern, URLResolver, path

from store import api, mine_api, moderation_api, payments_api

_LISTING = "store/listings/<slug:slug>"
_MINE = "store/mine/<uuid:listing_id>"
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("store/listings", api.ListingList.as_view(), name="api-store-listings"),
    path(_LISTING, api.ListingDetail.as_view(), name="api-store-listing"),
    path(f"{_LISTING}/reviews", api.ListingReviews.as_view(), name="api-store-reviews"),
    path(f"{_LISTING}/session", api.ListingSession.as_view(), name="api-store-session"),
    path(f"{_LISTING}/review", api.ListingReview.as_view(), name="api-store-review"),
    path(f"{_LISTING}/report", api.ListingReport.as_view(), name="api-store-report"),
    path(f"{_LISTING}/remix", api.ListingRemix.as_view(), name="api-store-remix"),
    path("store/library", api.Library.as_view(), name="api-store-library"),
    path("store/creator", mine_api.CreatorDetail.as_view(), name="api-store-creator"),
    path("store/mine", mine_api.MineList.as_view(), name="api-store-mine"),
    path(_MINE, mine_api.MineDetail.as_view(), name="api-store-mine-detail"),
    path(f"{_MINE}/publish", mine_api.MinePublish.as_view(), name="api-store-publish"),
    path(f"{_MINE}/unpublish", mine_api.MineUnpublish.as_view(), name="api-store-unpublish"),
    path(f"{_MINE}/releases", mine_api.MineReleases.as_view(), name="api-store-releases"),
    path(f"{_MINE}/icon", mine_api.MineIcon.as_view(), name="api-store-icon"),
    path(f"{_MINE}/tokens", mine_api.TokenList.as_view(), name="api-store-tokens"),
    path(f"{_MINE}/tokens/<uuid:token_id>", mine_api.TokenDetail.as_view(), name="api-store-token"),
    path(f"{_MINE}/reviews/<uuid:review_id>/reply", mine_api.ReviewReply.as_view(), name="api-store-reply"),
    path(f"{_MINE}/stats", mine_api.MineStats.as_view(), name="api-store-stats"),
    path(f"{_LISTING}/checkout", payments_api.ListingCheckout.as_view(), name="api-store-checkout"),
    path("store/purchases", payments_api.PurchaseList.as_view(), name="api-store-purchases"),
    path(
        "store/purchases/<uuid:purchase_id>/portal",
        payments_api.PurchasePortal.as_view(),
        name="api-store-purchase-portal",
    ),
    path(f"{_MINE}/purchases", payments_api.SaleList.as_view(), name="api-store-sales"),
    path(f"{_MINE}/purchases/<uuid:purchase_id>/refund", payments_api.SaleRefund.as_view(), name="api-store-refund"),
    path("store/creator/stripe", payments_api.CreatorStripe.as_view(), name="api-store-creator-stripe"),
    path("store/creator/payouts", payments_api.CreatorPayouts.as_view(), name="api-store-creator-payouts"),
    path("store/moderation/reports", moderation_api.ReportList.as_view(), name="api-store-reports"),
    path(
        "store/moderation/reports/<uuid:report_id>/decide",
        moderation_api.ReportDecision.as_view(),
        name="api-store-decide",
    ),
    path(
        "store/moderation/listings/<uuid:listing_id>",
        moderation_api.ListingMeasure.as_view(),
        name="api-store-measure",
    ),
    path(
        "store/moderation/creators/<uuid:creator_id>",
        moderation_api.CreatorBadge.as_view(),
        name="api-store-badge",
    ),
]
