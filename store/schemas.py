"""The shapes that the store's API takes and answers. Answers are made by `store.cards`; here they are described."""

from typing import Any

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from core.api import StrictSerializer
from core.fields import PlainCharField
from store.categories import CATEGORIES
from store.models import ListingStatus, Payer, PriceKind, RemixPolicy, ReviewStatus, Visibility
from store.sessions import Access

CURRENCIES = ("usd", "eur", "gbp", "chf", "cad")
MOST_FEATURES, MOST_TAGS = 8, 8
_COLOR = r"^#[0-9a-fA-F]{6}$"
_MOST_PRICE = 99_999_99  # minor units: what Stripe takes at once


class PriceSerializer(serializers.Serializer[Any]):
    """What it costs: nothing, so much a month, or so much for a pack of messages. Minor units of the currency."""

    kind = serializers.ChoiceField(choices=PriceKind.choices)
    amount = serializers.IntegerField(min_value=0, max_value=_MOST_PRICE)
    currency = serializers.ChoiceField(choices=CURRENCIES)
    pack_messages = serializers.IntegerField(min_value=0, max_value=1_000_000)


class RatingSerializer(serializers.Serializer[Any]):
    average = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField()


class CreatorCardSerializer(serializers.Serializer[Any]):
    handle = serializers.CharField()
    name = serializers.CharField()
    is_verified = serializers.BooleanField()


class CardSerializer(serializers.Serializer[Any]):
    """A listing in a list. `icon_url` is null where the icon is drawn from colours and glyph."""

    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    tagline = serializers.CharField()
    category = serializers.ChoiceField(choices=list(CATEGORIES))
    tags = serializers.ListField(child=serializers.CharField())
    color = serializers.CharField()
    color_2 = serializers.CharField()
    glyph = serializers.CharField()
    icon_url = serializers.CharField(allow_null=True)
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    price = PriceSerializer()
    rating = RatingSerializer()
    use_count = serializers.IntegerField()
    remix_count = serializers.IntegerField()
    creator = CreatorCardSerializer()
    published_at = serializers.DateTimeField(allow_null=True)


class CardListSerializer(serializers.Serializer[Any]):
    data = CardSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class ReleaseSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    changelog = serializers.CharField()
    created_at = serializers.DateTimeField()


class ReviewSerializer(serializers.Serializer[Any]):
    """A review. `author` is "" for somebody who gave no name."""

    id = serializers.UUIDField()
    author = serializers.CharField()
    rating = serializers.IntegerField()
    text = serializers.CharField()
    reply = serializers.CharField()
    replied_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class MyReviewSerializer(ReviewSerializer):
    status = serializers.ChoiceField(choices=ReviewStatus.choices)


class ReviewListSerializer(serializers.Serializer[Any]):
    data = ReviewSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class ModelSerializer(serializers.Serializer[Any]):
    """`name` is "" for the workspace's default model."""

    name = serializers.CharField()
    knowledge = serializers.BooleanField()
    documents = serializers.IntegerField()


class SourceSerializer(serializers.Serializer[Any]):
    """What a remix was made from; `slug` is null where it has no public page any more."""

    name = serializers.CharField()
    handle = serializers.CharField()
    slug = serializers.CharField(allow_null=True)


class AncestorSerializer(SourceSerializer):
    generation = serializers.IntegerField()


class MineOfPageSerializer(serializers.Serializer[Any]):
    review = MyReviewSerializer(allow_null=True)
    access = serializers.ChoiceField(choices=[item.value for item in Access], allow_null=True)
    can_review = serializers.BooleanField()


class PageSerializer(CardSerializer):
    """A listing's whole page. `my` is what it is to the reader."""

    description = serializers.CharField()
    features = serializers.ListField(child=serializers.CharField())
    model = ModelSerializer()
    welcome_message = serializers.CharField()
    suggested_questions = serializers.ListField(child=serializers.CharField())
    remix_policy = serializers.ChoiceField(choices=RemixPolicy.choices)
    visitors_paid_by = serializers.ChoiceField(choices=Payer.choices)
    release = ReleaseSerializer(allow_null=True)
    releases = ReleaseSerializer(many=True)
    remixed_from = SourceSerializer(allow_null=True)
    lineage = AncestorSerializer(many=True)
    my = MineOfPageSerializer()


class StoreSessionInput(StrictSerializer):
    """`visitor` is the token of the last session; `access_token` opens a private agent."""

    visitor = serializers.CharField(max_length=8192, required=False)
    access_token = serializers.CharField(max_length=100, required=False)


class StoreSessionOutput(serializers.Serializer[Any]):
    """The token for `/api/v1/agents/{agent_id}/...`; `remaining` messages, null where they are not counted."""

    token = serializers.CharField()
    key_id = serializers.UUIDField()
    agent_id = serializers.UUIDField()
    is_verified = serializers.BooleanField()
    expires_at = serializers.DateTimeField()
    access = serializers.ChoiceField(choices=[item.value for item in Access])
    remaining = serializers.IntegerField(allow_null=True)


class ReviewInput(StrictSerializer):
    rating = serializers.IntegerField(min_value=1, max_value=5)
    text = PlainCharField(max_length=2000, allow_blank=True, required=False, default="")


class RemixInput(StrictSerializer):
    name = PlainCharField(max_length=80, required=False)


class RemixOutput(serializers.Serializer[Any]):
    agent_id = serializers.UUIDField()


class LibrarySerializer(serializers.Serializer[Any]):
    """What a person has opened, bought and reviewed, the latest first; 50 of each at most."""

    used = CardSerializer(many=True)
    bought = CardSerializer(many=True)
    reviewed = CardSerializer(many=True)


def _single_line(length: int, **options: Any) -> PlainCharField:
    return PlainCharField(max_length=length, **options)


class ListingChange(StrictSerializer):
    """What a creator says of a listing; every field may be left out."""

    name = _single_line(80, required=False)
    tagline = _single_line(120, allow_blank=True, required=False)
    description = PlainCharField(max_length=4000, allow_blank=True, required=False)
    features = serializers.ListField(child=_single_line(120), max_length=MOST_FEATURES, required=False)
    category = serializers.ChoiceField(choices=list(CATEGORIES), required=False)
    tags = serializers.ListField(child=_single_line(30), max_length=MOST_TAGS, required=False)
    color = serializers.RegexField(_COLOR, max_length=7, required=False)
    color_2 = serializers.RegexField(_COLOR, max_length=7, required=False)
    glyph = _single_line(40, allow_blank=True, required=False)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    remix_policy = serializers.ChoiceField(choices=RemixPolicy.choices, required=False)
    visitors_paid_by = serializers.ChoiceField(choices=Payer.choices, required=False)
    price = PriceSerializer(required=False)

    def validate_price(self, price: dict[str, Any]) -> dict[str, Any]:
        """The price's columns; what its kind does not have is 0."""
        kind = price["kind"]
        if kind == PriceKind.FREE:
            return {"price_kind": kind, "price": 0, "currency": price["currency"], "pack_messages": 0}
        if price["amount"] < 50:  # what Stripe takes at least
            raise serializers.ValidationError({"amount": [_("A price is at least 0.50.")]})
        if kind == PriceKind.PACK and not price["pack_messages"]:
            raise serializers.ValidationError({"pack_messages": [_("Say how many messages a pack holds.")]})
        messages = price["pack_messages"] if kind == PriceKind.PACK else 0
        return {
            "price_kind": kind,
            "price": price["amount"],
            "currency": price["currency"],
            "pack_messages": messages,
        }

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        columns = given.pop("price", {})
        return {**given, **columns}


class ListingInput(ListingChange):
    """A new listing of an agent. Colours and glyph are the agent's where they are left out."""

    agent_id = serializers.UUIDField()
    name = _single_line(80)
    category = serializers.ChoiceField(choices=list(CATEGORIES))


class MineSerializer(CardSerializer):
    """A listing as its creator sees it. `has_changes`: the agent has moved on since the last release."""

    agent_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=ListingStatus.choices)
    taken_down_reason = serializers.CharField()
    description = serializers.CharField()
    features = serializers.ListField(child=serializers.CharField())
    remix_policy = serializers.ChoiceField(choices=RemixPolicy.choices)
    visitors_paid_by = serializers.ChoiceField(choices=Payer.choices)
    release = ReleaseSerializer(allow_null=True)
    has_changes = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class PublishInput(StrictSerializer):
    changelog = PlainCharField(max_length=2000, allow_blank=True, required=False, default="")


class IconInput(serializers.Serializer[Any]):
    file = serializers.FileField()


class TokenInput(StrictSerializer):
    """Each message is one use; without `most_uses` there is no end to them."""

    label = PlainCharField(max_length=80)  # type: ignore[assignment]
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    most_uses = serializers.IntegerField(min_value=1, max_value=1_000_000_000, required=False, allow_null=True)


class TokenSerializer(serializers.Serializer[Any]):
    """An access token, without itself."""

    id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    prefix = serializers.CharField()
    uses = serializers.IntegerField(source="grant.uses")
    most_uses = serializers.IntegerField(source="grant.most_uses", allow_null=True)
    expires_at = serializers.DateTimeField(source="grant.expires_at", allow_null=True)
    last_used_at = serializers.DateTimeField(source="grant.last_used_at", allow_null=True)
    created_at = serializers.DateTimeField()


class NewTokenSerializer(TokenSerializer):
    """A token just made: `token`, and `link`, which carries it in its fragment, are shown this once."""

    token = serializers.CharField()
    link = serializers.CharField()


class ReplyInput(StrictSerializer):
    text = PlainCharField(max_length=2000, allow_blank=True)


class DaySerializer(serializers.Serializer[Any]):
    """One day (UTC). `revenue` is in minor units, after fees and refunds; `rating` is the mean by then, or null."""

    day = serializers.DateField()
    views = serializers.IntegerField()
    uses = serializers.IntegerField()
    messages = serializers.IntegerField()
    remixes = serializers.IntegerField()
    sales = serializers.IntegerField()
    revenue = serializers.IntegerField()
    rating = serializers.FloatField(allow_null=True)


class TotalsSerializer(serializers.Serializer[Any]):
    views = serializers.IntegerField()
    uses = serializers.IntegerField()
    messages = serializers.IntegerField()
    remixes = serializers.IntegerField()
    sales = serializers.IntegerField()
    revenue = serializers.IntegerField()


class StatsSerializer(serializers.Serializer[Any]):
    """`conversion` is the part of views after which somebody paid (where nothing is paid: began to chat)."""

    totals = TotalsSerializer()
    days = DaySerializer(many=True)
    conversion = serializers.FloatField(allow_null=True)
    currency = serializers.CharField()


_HANDLE = RegexValidator(
    r"^[a-z0-9]+(-[a-z0-9]+)*$", _("Use small letters and digits, with single hyphens between them.")
)


class CreatorInput(StrictSerializer):
    handle = PlainCharField(min_length=3, max_length=40, validators=[_HANDLE])
    name = PlainCharField(max_length=80)
    bio = PlainCharField(max_length=500, allow_blank=True, required=False, default="")


class CreatorSerializer(CreatorCardSerializer):
    bio = serializers.CharField()
