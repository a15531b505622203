"""The settings that no environment changes: what the product is made of, and the rules that it always keeps.

`gilo.settings` takes them in; nothing else imports this.
"""

from typing import Any

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.sites",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.google",
    "allauth.mfa",
    "allauth.headless",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "core",
    "accounts",
    "llm",
    "billing",
    "agents",
    "knowledge",
    "chat",
    "store",
    "integrations",
    "gilo",
]

MIDDLEWARE = [
    "core.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.middleware.StaticFilesMiddleware",
    "integrations.hosted.HostedDomainMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.WorkspaceMiddleware",
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "frame-src": ["'self'"],  # the widget's preview; pages that may not be framed say so themselves
        "object-src": ["'none'"],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.AccessTokenAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.PolicyPermission"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is 405: the schema tells what it would, once and to all
    "EXCEPTION_HANDLER": "core.api.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "GiLo API",
    "DESCRIPTION": "Build, try and deploy AI agents.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AgentStatus": "agents.models.AgentStatus",
        "DocumentStatus": "knowledge.models.DocumentStatus",
        "MessageStatus": "chat.models.MessageStatus",
        "ListingStatus": "store.models.ListingStatus",
        "ReviewStatus": "store.models.ReviewStatus",
        "ReportStatus": "store.models.ReportStatus",
        "KeyKind": ["secret", "widget"],
        "AnswerLanguage": ["auto", "en", "fr"],
        "InterfaceLanguage": [("en", "English"), ("fr", "French")],
    },
    "POSTPROCESSING_HOOKS": [
        "core.schema.add_common_errors",
        "drf_spectacular.hooks.postprocess_schema_enums",
        "chat.schema.add_chat_routes",
    ],
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# What Celery's beat calls, and how often (seconds, at most an hour: it counts from the start of each process).
TIMETABLE: dict[str, Any] = {
    "delete-orphans": {"task": "knowledge.delete_orphans", "schedule": 3600.0},
    "tell-budget-alerts": {"task": "billing.tell_budget_alerts", "schedule": 60.0},
    "delete-old-counters": {"task": "billing.delete_old_counters", "schedule": 3600.0},
    "recount-quotas": {"task": "billing.recount_quotas", "schedule": 3600.0},
    "report-usage": {"task": "billing.report_usage", "schedule": 300.0},
    "tell-quota-notices": {"task": "billing.tell_quota_notices", "schedule": 300.0},
    "apply-stripe-events": {"task": "billing.apply_due_events", "schedule": 30.0},
    "end-graces": {"task": "billing.end_graces", "schedule": 300.0},
    "reconcile-stripe": {"task": "billing.reconcile_at_night", "schedule": 3600.0},
    "clear-sessions": {"task": "accounts.clear_sessions", "schedule": 3600.0},
    "delete-old-deliveries": {"task": "integrations.delete_old_deliveries", "schedule": 3600.0},
    "send-webhook-notices": {"task": "integrations.send_notices", "schedule": 60.0},
    "count-store-uses": {"task": "store.count_uses", "schedule": 60.0},
    "score-listings": {"task": "store.score_listings", "schedule": 600.0},
    "send-store-notices": {"task": "store.send_notices", "schedule": 60.0},
    "forget-store-words": {"task": "store.forget_words", "schedule": 3600.0},
    "delete-old-allowances": {"task": "store.delete_old_allowances", "schedule": 3600.0},
}
