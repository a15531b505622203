"""Settings, all from the environment: the only module that reads it. docs/settings.md documents each variable.

Every variable NAME may come from a file instead: NAME_FILE holds the file's path (Docker and Kubernetes secrets).
"""

import base64
import hmac
import os
import secrets as random_secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from gilo.environment import Environment, WrongSetting
from gilo.fixed import (  # noqa: F401 - settings, too
    AUTH_PASSWORD_VALIDATORS,
    CONTENT_SECURITY_POLICY,
    INSTALLED_APPS,
    MIDDLEWARE,
    REST_FRAMEWORK,
    SPECTACULAR_SETTINGS,
    TIMETABLE,
)

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(os.environ)

# --- Where this runs -------------------------------------------------------------------------------------------------
PRODUCTION = env.flag("GILO_PRODUCTION", False)
DEBUG = env.flag("GILO_DEBUG", False) and not PRODUCTION
PORT = env.number("PORT", 8000, least=1, most=65535)
HOST = env.text("HOST", "127.0.0.1" if not PRODUCTION else "0.0.0.0")  # noqa: S104 - a container listens on its own network
SITE_URL = env.web_address("GILO_SITE_URL", f"http://localhost:{PORT}", may_have_path=False)
DATA_DIR = env.folder("GILO_DATA_DIR", str(BASE_DIR / ".data"))
BUILD_DIR = BASE_DIR / ".build"
# Asked to stop: health says 503 while all works, then what is in flight gets to end.
DRAIN_GRACE_SECONDS = env.number("GILO_DRAIN_GRACE", 5 if PRODUCTION else 0)
DRAIN_SECONDS = env.number("GILO_DRAIN_SECONDS", 60 if PRODUCTION else 10)
SEED_DEMO = env.flag("GILO_SEED_DEMO", not PRODUCTION)


@contextmanager
def needing_data_folder() -> Iterator[None]:
    """Where files of ours are made: a folder that cannot be used ends the start."""
    try:
        yield
    except OSError as error:
        raise WrongSetting(
            f"GILO_DATA_DIR is {DATA_DIR}, which cannot be used: {error.strerror or error}. "
            "Make room, let this user write there, or name another folder."
        ) from None


# --- Secrets: named by the operator in production, made once and kept under DATA_DIR elsewhere ------------------------
MINIMUM_SECRET_LENGTH = 32
_KNOWN_DEFAULTS = ("changeme", "change-me", "change_me", "secret", "insecure", "django-insecure", "example", "default")


def secret(name: str, make: Any) -> str:
    """A secret that is never a default: production refuses to boot without a strong one."""
    value = env.text(name)
    if PRODUCTION:
        if len(value) < MINIMUM_SECRET_LENGTH or len(set(value)) < 8 or value.lower().startswith(_KNOWN_DEFAULTS):
            raise WrongSetting(
                f"{name} is missing, too short (under {MINIMUM_SECRET_LENGTH} characters) or a known default. "
                f"Set {name} or {name}_FILE to a random value; docs/settings.md shows a command that makes one."
            )
        return value
    return value or _kept_secret(name, make)


def _kept_secret(name: str, make: Any) -> str:
    path = DATA_DIR / "secrets" / name.lower()
    with needing_data_folder():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _write_once(path, str(make()))
        return path.read_text(encoding="ascii").strip()


def _write_once(path: Path, text: str) -> None:
    """Write the file whole or not at all: of many processes at their first start, all read what the first one wrote."""
    unfinished = path.with_name(f"{path.name}.{random_secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    with suppress(FileExistsError):
        os.link(unfinished, path)
    unfinished.unlink()


def _make_fernet_key() -> str:
    return base64.urlsafe_b64encode(random_secrets.token_bytes(32)).decode()


def _fernet_keys(value: str) -> list[str]:
    """The comma-separated keys, newest first; each must be 32 bytes in URL-safe base64."""
    keys = [key.strip() for key in value.split(",")]
    try:
        if any(len(base64.urlsafe_b64decode(key)) != 32 for key in keys):
            raise ValueError
    except ValueError:
        raise WrongSetting(
            "GILO_ENCRYPTION_KEYS must hold keys of 32 bytes in URL-safe base64. "
            "docs/settings.md shows how to make one."
        ) from None
    return keys


SECRET_KEY = secret("SECRET_KEY", lambda: random_secrets.token_urlsafe(50))
ENCRYPTION_KEYS = _fernet_keys(secret("GILO_ENCRYPTION_KEYS", _make_fernet_key))

# The demo user signs in with a password of this machine alone; it is printed at each start.
DEMO_EMAIL = "demo@gilo.local"
DEMO_PASSWORD = ""
if SEED_DEMO:
    DEMO_PASSWORD = env.text("GILO_DEMO_PASSWORD") or _kept_secret(
        "GILO_DEMO_PASSWORD", lambda: random_secrets.token_urlsafe(9)
    )

# --- Applications -----------------------------------------------------------------------------------------------------

ROOT_URLCONF = "gilo.urls"
ASGI_APPLICATION = "gilo.asgi.application"
SITE_ID = 1
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "gilo.context.frame",
            ]
        },
    }
]

# --- Database: embedded PostgreSQL unless DATABASE_URL names one ------------------------------------------------------
EMBEDDED_DATABASE = not env.text("DATABASE_URL")
EMBEDDED_DATABASE_DIR = DATA_DIR / "postgres"


def _database() -> dict[str, Any]:
    if EMBEDDED_DATABASE:
        from core.embedded_postgres import socket_directory  # no Django import inside: settings stay light

        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "gilo",
            "USER": "postgres",
            "HOST": str(socket_directory(EMBEDDED_DATABASE_DIR)),
        }
    return env.database("DATABASE_URL")


DATABASES = {"default": _database()}
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    # After a restart of the server, broken connections are given up quickly: a new request starts a new attempt.
    "pool": {
        "min_size": 1,
        "max_size": env.number("DATABASE_POOL_SIZE", 16, least=1),
        "timeout": 4,
        "reconnect_timeout": 2,
    },
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# --- Redis (optional): wake-ups, rates, broker ------------------------------------------------------------------------
REDIS_URL = env.redis_address("REDIS_URL")
if REDIS_URL:
    CACHES: dict[str, Any] = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
else:
    _roomy = {"MAX_ENTRIES": 100_000}  # guesses at passwords are counted here: 300 other addresses pushed them out
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": _roomy}}

CELERY_BROKER_URL = REDIS_URL or "memory://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS = {} if REDIS_URL else {"polling_interval": 0.05}  # seconds
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker outlives any absence of the broker
DOCUMENT_LEASE_SECONDS = env.number("GILO_DOCUMENT_LEASE_SECONDS", 30, least=1)  # then a dead worker's is taken up
DOCUMENT_SWEEP_SECONDS = env.number("GILO_DOCUMENT_SWEEP_SECONDS", 10, least=1)
WEBHOOK_TIMEOUT_SECONDS = env.number("GILO_WEBHOOK_TIMEOUT", 15, least=1)  # half of a delivery's lease
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    **TIMETABLE,
    "sweep-documents": {"task": "knowledge.sweep_documents", "schedule": float(DOCUMENT_SWEEP_SECONDS)},
}
WORKER_INSIDE = env.flag("GILO_WORKER_INSIDE", not REDIS_URL)
WORKER_THREADS = env.number("GILO_WORKER_THREADS", 2, least=1)

# --- Files ------------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BUILD_DIR / "assets"]
STATIC_ROOT = BUILD_DIR / "static"
MEDIA_ROOT = DATA_DIR / "files"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "gilo.assets.AssetStorage"},
}
# Chunks keep their own names: the modules that import them know only those. Both kinds carry a hash and never change.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^.+\.[0-9a-f]{12}\..+$|^.+/chunks/.+-[A-Z0-9]{8}\.js$"
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_HANDLERS = ["core.uploads.CleaningUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024  # larger bodies are spooled to FILE_UPLOAD_TEMP_DIR
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "tmp"  # beside MEDIA_ROOT, so that storing an upload is a rename
with needing_data_folder():
    FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
MAX_UPLOAD_BYTES = env.number("GILO_MAX_UPLOAD_MB", 50, least=1) * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

# --- Accounts ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["accounts.hashers.Argon2InTurns"]
LOGIN_URL = "/login"
CSRF_FAILURE_VIEW = "accounts.views.refuse_cross_site"
LOGIN_REDIRECT_URL = "/dashboard"
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "accounts.adapters.SocialAdapter"
MFA_ADAPTER = "accounts.adapters.MFAAdapter"
ACCOUNT_FORMS = {"signup": "accounts.forms.SignupForm"}
SOCIALACCOUNT_FORMS = {"signup": "accounts.forms.SocialSignupForm"}
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = env.choice("GILO_EMAIL_VERIFICATION", "optional", ("optional", "mandatory", "none"))
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 5
ACCOUNT_SESSION_REMEMBER = True
# Passwords are hashed at most 5 times in 5 minutes per account, whichever door and address the guesses come from.
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "30/m/ip,5/5m/key",
    "change_password": "5/5m/user",
    "reauthenticate": "5/5m/user",
}
TRUSTED_PROXY_COUNT = env.number("GILO_TRUSTED_PROXIES", 0)
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"  # noqa: S105 - a class's name
HEADLESS_JWT_ALGORITHM = "HS256"
HEADLESS_JWT_PRIVATE_KEY = hmac.digest(SECRET_KEY.encode(), b"gilo.jwt.1", "sha256").hex()
HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 10 * 60
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = 14 * 24 * 3600
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    provider: {
        "APPS": [{"client_id": client_id, "secret": client_secret}],
        "OAUTH_PKCE_ENABLED": True,
    }
    for provider, (client_id, client_secret) in {
        "github": env.pair("GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET"),
        "google": env.pair("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"),
    }.items()
    if client_id
}
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_LOGIN_ON_GET = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "GiLo"
MFA_TOTP_TOLERANCE = 1  # one period of 30 s either side, for clocks that are a little off

# --- E-mail -----------------------------------------------------------------------------------------------------------
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.number("EMAIL_PORT", 587, least=1, most=65535)
EMAIL_HOST_USER = env.text("EMAIL_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.sender("EMAIL_FROM", "GiLo <no-reply@localhost>")
if not EMAIL_HOST:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = DATA_DIR / "mail"

# --- Models and embeddings (the operator's; may be loopback) ----------------------------------------------------------
OPENAI_BASE_URL = env.web_address("OPENAI_BASE_URL")
OPENAI_API_KEY = env.key("OPENAI_API_KEY")
OPENAI_MODEL = env.text("OPENAI_MODEL", "gpt-4.1-mini")
if OPENAI_API_KEY and not OPENAI_BASE_URL:
    OPENAI_BASE_URL = "https://api.openai.com/v1"
# These go before the list of llm/catalog.py.
OPENAI_INPUT_PRICE, OPENAI_OUTPUT_PRICE = env.prices("OPENAI_INPUT_PRICE", "OPENAI_OUTPUT_PRICE")
EMBEDDING_BASE_URL = env.web_address("EMBEDDING_BASE_URL")
EMBEDDING_API_KEY = env.key("EMBEDDING_API_KEY")
EMBEDDING_MODEL = env.text("EMBEDDING_MODEL", "text-embedding-3-small")
OLLAMA_URL = env.web_address("OLLAMA_URL", "http://127.0.0.1:11434")
EGRESS_ALLOWED_NETWORKS = env.networks("GILO_EGRESS_ALLOWED_NETWORKS")

# --- Chat -------------------------------------------------------------------------------------------------------------
CHAT_DEAD_AFTER_SECONDS = env.number("GILO_CHAT_DEAD_AFTER", 20, least=1)  # without a heartbeat: its runs are ended
CHAT_SWEEP_SECONDS = env.number("GILO_CHAT_SWEEP", 10, least=1)
CHAT_LONGEST_RUN_SECONDS = env.number("GILO_CHAT_LONGEST_RUN", 1200, least=1)

# --- Plans ------------------------------------------------------------------------------------------------------------
# Of workspaces that have chosen none (billing/plans.py).
DEFAULT_PLAN = env.choice("GILO_DEFAULT_PLAN", "free", ("free", "pro", "team", "unlimited"))
BILLING = env.flag("GILO_BILLING", True)  # off: everything is unlimited, and Stripe is never asked
STRIPE_SECRET_KEY = env.key("STRIPE_SECRET_KEY", begins=("sk_", "rk_"))
STRIPE_WEBHOOK_SECRETS = env.keys("STRIPE_WEBHOOK_SECRET", begins="whsec_")
STRIPE_API_BASE = env.web_address("STRIPE_API_BASE")  # "": Stripe's own address
# "": found by their lookup keys.
STRIPE_PRICES = {"pro": env.text("STRIPE_PRICE_PRO"), "team": env.text("STRIPE_PRICE_TEAM")}
STRIPE_TAX = env.flag("STRIPE_TAX", True)
TRIAL_DAYS = env.number("GILO_TRIAL_DAYS", 14)  # of a workspace's first subscription
GRACE_DAYS = env.number("GILO_GRACE_DAYS", 7)  # that a plan stays after a payment failed
STORE_FEE_PERCENT = env.number("GILO_STORE_FEE_PERCENT", 10, most=100)  # the platform's part of what creators sell

# --- Store: messages that visitors without an account have a day (UTC), where somebody pays for them ------------------
STORE_VISITOR_MESSAGES = env.number("GILO_STORE_VISITOR_MESSAGES", 10)  # of one address with one agent
STORE_LISTING_MESSAGES = env.number("GILO_STORE_LISTING_MESSAGES", 200)  # of all visitors with one agent
STORE_PLATFORM_MESSAGES = env.number("GILO_STORE_PLATFORM_MESSAGES", 1000)  # of all that the platform pays for

# --- Web security -----------------------------------------------------------------------------------------------------
_site = urlsplit(SITE_URL)
ALLOWED_HOSTS = env.hosts("GILO_ALLOWED_HOSTS") or [_site.hostname or "localhost", "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [f"{_site.scheme}://{_site.netloc}"]
HOSTED_DOMAIN = env.domain("GILO_HOSTED_DOMAIN")  # agents' own hosts lie below it
if HOSTED_DOMAIN:
    ALLOWED_HOSTS.append(f".{HOSTED_DOMAIN}")
_HTTPS = _site.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "accounts.sessions"
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
if _HTTPS and env.flag("GILO_BEHIND_TLS_PROXY", True):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

# --- Language and time ------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"

# --- Logs -------------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # scanners; a page of log for each
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
    },
}
