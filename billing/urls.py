"""Routes of billing: the API. Its page shows what other apps count, so it is in `gilo.billing_page`."""

from django.urls import URLPattern, URLResolver, path

from billing import api

urlpatterns: list[URLPattern | URLResolver] = []
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("billing", api.BillingView.as_view(), name="api-billing"),
    path("billing/checkout", api.Checkout.as_view(), name="api-billing-checkout"),
    path("billing/portal", api.Portal.as_view(), name="api-billing-portal"),
    path("webhooks/stripe", api.StripeWebhook.as_view(), name="api-stripe-webhook"),
]
