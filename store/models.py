"""The store: listings and their releases, who made them, who may use them, and what people say and pay.

Creator (one per workspace) ─< Listing (one per agent) ─< Release        what runs: a version and the documents of then
                                       │                ─< AccessToken   opens a private listing
                                       │                ─< Review, Report, Purchase, ListingDay
                                       │                ─< Use                  who has opened it
                                       └─ Remix ─> Agent                 a copy in another workspace, and so on down

What a visitor may use is a `billing.Grant`; what answers is the listing's own key (`agents.ApiKey` of kind store),
pinned to the release, so that edits of the draft never leak.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q, Value
from django.utils.translation import gettext_lazy as _

from accounts.models import Workspace
from agents.models import Agent, AgentVersion, ApiKey
from billing.models import Grant
from core.models import Identified, Timestamped
from core.tenancy import ScopedQuerySet


class Creator(Timestamped):
    """A workspace as the store shows it. The `stripe_*` fields mirror its Stripe Connect account."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="creator")
    handle = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    bio = models.CharField(max_length=500, blank=True)
    is_verified = models.BooleanField(default=False, db_default=False)  # by the operator
    stripe_account_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    stripe_charges_enabled = models.BooleanField(default=False, db_default=False)
    stripe_payouts_enabled = models.BooleanField(default=False, db_default=False)

    objects = ScopedQuerySet["Creator"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["stripe_account_id"], condition=~Q(stripe_account_id=""), name="store_one_creator_each_account"
            )
        ]


class ListingStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    PUBLISHED = "published", _("Published")
    UNPUBLISHED = "unpublished", _("Unpublished")
    TAKEN_DOWN = "taken_down", _("Taken down")  # by the operator, with a reason


class Visibility(models.TextChoices):
    PUBLIC = "public", _("Public")
    PRIVATE = "private", _("Private")  # only who holds an access token


class RemixPolicy(models.TextChoices):
    """What others may copy into their own workspace. Secrets never go along."""

    NONE = "none", _("No remixes")
    CONFIG = "config", _("Without the documents")
    KNOWLEDGE = "knowledge", _("With the documents")


class Payer(models.TextChoices):
    """Whose quota pays for visitors without an account."""

    NOBODY = "nobody", _("Only people with an account")
    CREATOR = "creator", _("My quota")
    PLATFORM = "platform", _("The platform's allowance")


class PriceKind(models.TextChoices):
    FREE = "free", _("Free")
    MONTH = "month", _("Per month")
    PACK = "pack", _("Per pack of messages")


# Of a listing's words, those of its name, tags and category; an index finds them.
LABELS = models.Func(
    models.F("search"), template="ts_filter(%(expressions)s, '{a,b}')", output_field=SearchVectorField()
)


class Listing(Timestamped):
    """An agent in the store. Its id and slug never change; what it says of itself is public as soon as it is saved.

    `search` holds name, tags, category and description for the storefront (`store.search`). The counts and scores are
    kept by `store.ranking`.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="listings")
    creator = models.ForeignKey(Creator, on_delete=models.CASCADE, related_name="listings")
    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="listing")
    slug = models.SlugField(max_length=90, unique=True)
    status = models.CharField(max_length=12, choices=ListingStatus.choices, default=ListingStatus.DRAFT)
    visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.PUBLIC)
    name = models.CharField(max_length=80)
    tagline = models.CharField(max_length=120, blank=True)
    description = models.TextField(max_length=4000, blank=True)
    features = ArrayField(models.CharField(max_length=120), default=list, blank=True)
    category = models.CharField(max_length=20)  # an id of store.categories
    tags = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    color = models.CharField(max_length=7)
    color_2 = models.CharField(max_length=7)
    glyph = models.CharField(max_length=40, blank=True)
    icon_key = models.CharField(max_length=200, blank=True)  # of an uploaded icon in the file storage
    remix_policy = models.CharField(max_length=10, choices=RemixPolicy.choices, default=RemixPolicy.NONE)
    visitors_paid_by = models.CharField(max_length=10, choices=Payer.choices, default=Payer.NOBODY)
    price_kind = models.CharField(max_length=5, choices=PriceKind.choices, default=PriceKind.FREE)
    price = models.PositiveIntegerField(default=0)  # in minor units of `currency`
    currency = models.CharField(max_length=3, default="usd")
    pack_messages = models.PositiveIntegerField(default=0)
    release = models.ForeignKey("Release", null=True, on_delete=models.SET_NULL, related_name="+")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField(null=True)
    taken_down_reason = models.CharField(max_length=500, blank=True)
    use_count = models.PositiveIntegerField(default=0)
    remix_count = models.PositiveIntegerField(default=0)
    rating_count = models.PositiveIntegerField(default=0)
    rating_sum = models.PositiveIntegerField(default=0)
    rating_score = models.FloatField(default=0)
    trending_score = models.FloatField(default=0)
    search = SearchVectorField(null=True)
    owes_notice = models.BooleanField(default=False, db_default=False)  # a mail that it was taken down

    objects = ScopedQuerySet["Listing"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            GinIndex(fields=["search"], name="store_listing_search"),
            GinIndex(LABELS, name="store_listing_labels"),
            *(
                models.Index(
                    fields=[f"-{column}", "-id"],
                    condition=Q(status="published", visibility="public"),
                    name=f"store_by_{name}",
                )
                for name, column in (
                    ("trending", "trending_score"),
                    ("rating", "rating_score"),
                    ("newness", "published_at"),
                )
            ),
            models.Index(
                fields=["category", "-trending_score", "-id"],
                condition=Q(status="published", visibility="public"),
                name="store_by_category",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(price_kind="free", price=0)
                | Q(price_kind="month", price__gt=0)
                | Q(price_kind="pack", price__gt=0, pack_messages__gt=0),
                name="store_price_fits_its_kind",
            )
        ]

    @property
    def is_public(self) -> bool:
        """Whether the store shows it to everybody."""
        return self.status == ListingStatus.PUBLISHED and self.visibility == Visibility.PUBLIC

    @property
    def address(self) -> str:
        """Its page, as a whole address."""
        return f"{settings.SITE_URL}/store/{self.slug}"


class Release(Timestamped):
    """What a listing runs from one publication to the next: a version of the agent, and the documents it had then."""

    workspace_path = "listing__workspace"

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    version = models.ForeignKey(AgentVersion, on_delete=models.CASCADE, related_name="+")
    documents = ArrayField(models.UUIDField(), default=list)
    changelog = models.CharField(max_length=2000, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = ScopedQuerySet["Release"].as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["listing", "number"], name="store_release_number")]


class AccessToken(Timestamped):
    """Opens a private listing to whoever holds it. Only its digest is stored; expiry and uses are its grant's."""

    workspace_path = "listing__workspace"

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="access_tokens")
    label = models.CharField(max_length=80)
    prefix = models.CharField(max_length=20)
    digest = models.CharField(max_length=64, unique=True)
    grant = models.OneToOneField(Grant, on_delete=models.CASCADE, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = ScopedQuerySet["AccessToken"].as_manager()

    class Meta:
        ordering = ["-created_at"]


class ReviewStatus(models.TextChoices):
    VISIBLE = "visible", _("Visible")
    HIDDEN = "hidden", _("Hidden")  # by the operator


class Review(Timestamped):
    """What one person, who has used the agent, says of it; the creator may reply."""

    workspace_path = "listing__workspace"

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="reviews")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="store_reviews")
    rating = models.PositiveSmallIntegerField()
    text = models.CharField(max_length=2000, blank=True)
    status = models.CharField(max_length=8, choices=ReviewStatus.choices, default=ReviewStatus.VISIBLE)
    reply = models.CharField(max_length=2000, blank=True)
    replied_at = models.DateTimeField(null=True)

    objects = ScopedQuerySet["Review"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["listing", "user"], name="store_one_review_each"),
            models.CheckConstraint(condition=Q(rating__gte=1, rating__lte=5), name="store_rating_1_to_5"),
        ]


class ReportStatus(models.TextChoices):
    OPEN = "open", _("Open")
    UPHELD = "upheld", _("Upheld")
    DISMISSED = "dismissed", _("Dismissed")


class Report(Timestamped):
    """A complaint about a listing, or about one of its reviews, for the operator to decide."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="reports")
    review = models.ForeignKey(Review, null=True, on_delete=models.CASCADE, related_name="reports")
    reporter = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=20)  # an id of store.moderation.REASONS
    text = models.CharField(max_length=1000, blank=True)
    status = models.CharField(max_length=10, choices=ReportStatus.choices, default=ReportStatus.OPEN)
    decision = models.CharField(max_length=500, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["created_at"], condition=Q(status="open"), name="store_open_reports")]


class Remix(Timestamped):
    """A copy of a listing's agent in another workspace. `source_*` outlive the listing that they name."""

    listing = models.ForeignKey(Listing, null=True, on_delete=models.SET_NULL, related_name="remixes")
    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="remix")
    parent = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="children")
    release_number = models.PositiveIntegerField()
    with_knowledge = models.BooleanField()
    source_name = models.CharField(max_length=80)
    source_handle = models.CharField(max_length=40)

    workspace_path = "agent__workspace"
    objects = ScopedQuerySet["Remix"].as_manager()


class ListingDay(models.Model):
    """What happened to a listing on one day (UTC)."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    views = models.PositiveIntegerField(default=0)
    uses = models.PositiveIntegerField(default=0)  # conversations begun
    messages = models.PositiveIntegerField(default=0)
    remixes = models.PositiveIntegerField(default=0)
    sales = models.PositiveIntegerField(default=0)
    revenue = models.IntegerField(default=0)  # minor units, after fees and refunds

    class Meta:
        constraints = [models.UniqueConstraint(fields=["listing", "day"], name="store_listing_day")]


class Use(models.Model):
    """A signed-in person has opened an agent of the store: it is in their library."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="uses")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="store_uses")
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "listing"], name="store_one_use_each")]


class Progress(models.Model):
    """How far a count has come: everything before `until` is in it, once (`store.ranking`)."""

    name = models.CharField(max_length=20, primary_key=True)
    until = models.DateTimeField()


class PurchaseStatus(models.TextChoices):
    PENDING = "pending", _("Waiting for payment")
    ACTIVE = "active", _("Active")
    PAST_DUE = "past_due", _("Payment failed")
    ENDED = "ended", _("Ended")
    REFUNDED = "refunded", _("Refunded")
    DISPUTED = "disputed", _("In dispute")
    LOST = "lost", _("Lost in a dispute")


class Purchase(Timestamped):
    """A person's payment for an agent: one pack, or one subscription. Amounts are minor units of `currency`."""

    workspace_path = "listing__workspace"

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="purchases")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="purchases")
    kind = models.CharField(max_length=5, choices=PriceKind.choices)
    status = models.CharField(max_length=10, choices=PurchaseStatus.choices, default=PurchaseStatus.PENDING)
    amount = models.PositiveIntegerField()
    fee = models.PositiveIntegerField(default=0)  # the platform's part of what was paid
    paid = models.PositiveIntegerField(default=0)  # all payments so far
    refunded = models.PositiveIntegerField(default=0)
    lost = models.PositiveIntegerField(default=0, db_default=0)  # what lost disputes took back
    currency = models.CharField(max_length=3)
    pack_messages = models.PositiveIntegerField(default=0)
    checkout_session_id = models.CharField(max_length=255, blank=True, default="", db_default=Value(""))
    payment_intent_id = models.CharField(max_length=255, blank=True, default="", db_default=Value(""))
    subscription_id = models.CharField(max_length=255, blank=True, default="", db_default=Value(""))
    grant = models.OneToOneField(Grant, null=True, on_delete=models.SET_NULL, related_name="+")
    paid_at = models.DateTimeField(null=True)
    refunded_at = models.DateTimeField(null=True)
    owes_notice = models.BooleanField(default=False, db_default=False)  # its creator is to be mailed about a dispute

    objects = ScopedQuerySet["Purchase"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=[name], condition=~Q(**{name: ""}), name=f"store_purchase_{name.removesuffix('_id')}"
            )
            for name in ("checkout_session_id", "payment_intent_id", "subscription_id")
        ]

    @property
    def returned(self) -> int:
        """What the buyer has back: refunds, and what disputes took."""
        return self.refunded + self.lost


class SearchWord(Identified):
    """A word of some listing, with what is left of it when one letter is taken away: finds words mistyped by one."""

    word = models.CharField(max_length=40, unique=True)
    shortened = ArrayField(models.CharField(max_length=40))

    class Meta:
        indexes = [GinIndex(fields=["shortened"], name="store_words_shortened")]
