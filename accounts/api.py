"""The account API: register, sign in, refresh, sign out, me, passwords, addresses, providers."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ResetPasswordForm, UserTokenForm
from allauth.account.internal import flows
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import Login, get_emailconfirmation_model
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import errors, schema, services, tokens
from accounts.adapters import count_attempt, must_verify_email
from accounts.fields import MAX_NAME_LENGTH, EmailLineField, LineField, PasswordField
from accounts.models import User
from accounts.origin import refuse_foreign_origin
from accounts.selectors import describe_user, has_verified_address
from core.api import ErrorSerializer, StrictSerializer, check_fields
from core.errors import TooManyRequests
from core.policy import PUBLIC, SIGNED_IN


class OpenView(APIView):
    """A view without credentials: a stale token in a header must not stop anybody from signing in."""

    policy = PUBLIC
    authentication_classes: Any = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_foreign_origin(request._request)
        super().initial(request, *args, **kwargs)


def signed_in(request: Request) -> User:
    """The user of a view whose policy lets only users in."""
    assert isinstance(request.user, User)
    return request.user


def check_password(password: str, user: User, param: str = "password") -> None:
    """Refuse a weak password with the validators' words."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise serializers.ValidationError({param: error.messages}) from None


class RegisterInput(StrictSerializer):
    email = EmailLineField()
    password = PasswordField()
    name = LineField(max_length=MAX_NAME_LENGTH, required=False, allow_blank=True, default="")
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False)


class RegisterView(OpenView):
    """Make an account and sign in. Where addresses must be confirmed first: 202 and a mail, also for a known one."""

    serializer_class = RegisterInput

    @extend_schema(
        request=RegisterInput,
        responses={
            201: schema.SignedInOutput,
            202: schema.VerificationRequiredOutput,
            409: ErrorSerializer,
            422: ErrorSerializer,
            429: ErrorSerializer,
        },
    )
    def post(self, request: Request) -> Response:
        data = check_fields(RegisterInput, request.data)
        count_attempt(request._request, "", "signup")
        check_password(data["password"], User(email=data["email"], name=data["name"]))
        with tokens.TokenSession(request._request) as own:
            user = _register_or_mail(own, data)
            if user is None or must_verify_email():
                return Response({"verification_required": True}, status=status.HTTP_202_ACCEPTED)
            pair = tokens.open_session(own, user)
        return Response({"user": describe_user(user), **pair.as_dict()}, status=status.HTTP_201_CREATED)


def _register_or_mail(request: HttpRequest, data: dict[str, Any]) -> User | None:
    try:
        language = str(data.get("language") or get_language() or "")
        user = services.register_user(
            email=data["email"], password=data["password"], name=data["name"], language=language
        )
    except errors.EmailTaken:
        if not must_verify_email():
            raise
        get_adapter(request).send_account_already_exists_mail(data["email"])
        return None
    send_verification(request, user, signup=True)
    return user


def send_verification(request: HttpRequest, user: User, *, signup: bool = False) -> None:
    """Mail the confirmation link, at most once in three minutes."""
    login = Login(user=user, email=user.email, signup=signup)
    flows.email_verification.send_verification_email_at_login(request, login)


class LoginInput(StrictSerializer):
    email = EmailLineField()
    password = PasswordField()
    code = LineField(max_length=32, required=False)


class LoginView(OpenView):
    """Sign in. With TOTP on, a right password without `code` answers 401 `mfa_required`."""

    serializer_class = LoginInput

    @extend_schema(
        request=LoginInput,
        responses={200: schema.SignedInOutput, 401: ErrorSerializer, 422: ErrorSerializer, 429: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        data = check_fields(LoginInput, request.data)
        with tokens.TokenSession(request._request) as own:
            user = _check_credentials(own, data["email"], data["password"])
            _check_second_factor(own, user, data.get("code"))
            pair = tokens.open_session(own, user)
        return Response({"user": describe_user(user), **pair.as_dict()})


def _check_credentials(request: HttpRequest, email: str, password: str) -> User:
    user = get_adapter(request).authenticate(request, email=email, password=password)
    if not isinstance(user, User):
        raise errors.CredentialsWrong()
    if not user.is_active:
        raise errors.AccountSuspended()
    if must_verify_email() and not has_verified_address(user):
        send_verification(request, user)
        raise errors.EmailNotVerified()
    record_authentication(request, user, method="password", email=email)
    return user


def _check_second_factor(request: HttpRequest, user: User, code: str | None) -> None:
    if not is_mfa_enabled(user, [Authenticator.Type.TOTP]):
        return
    if not code:
        raise errors.MfaRequired()
    form = AuthenticateForm({"code": code}, user=user)
    if form.is_valid():
        form.save()
        return
    if form.has_error("code", "too_many_login_attempts"):
        raise TooManyRequests("Too many codes were wrong. Wait a few minutes.", retry_after=300)
    raise errors.MfaWrong()


class RefreshInput(StrictSerializer):
    refresh = serializers.CharField(max_length=4096)


class RefreshView(OpenView):
    """A new pair of tokens for the refresh token, which is used up by this."""

    serializer_class = RefreshInput

    @extend_schema(request=RefreshInput, responses={200: schema.PairOutput, 401: ErrorSerializer, 422: ErrorSerializer})
    def post(self, request: Request) -> Response:
        return Response(tokens.rotate(check_fields(RefreshInput, request.data)["refresh"]).as_dict())


class LogoutInput(StrictSerializer):
    refresh = serializers.CharField(max_length=4096, required=False)


class LogoutView(APIView):
    """End the session of the access token, of the cookie, and of the refresh token when one is sent. Always 204."""

    policy = PUBLIC
    serializer_class = LogoutInput

    def perform_authentication(self, request: Request) -> None:
        """An access token that has expired is no reason to stay signed in."""
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            request.user, request.auth = AnonymousUser(), None

    @extend_schema(request=LogoutInput, responses={204: None})
    def post(self, request: Request) -> Response:
        refresh = check_fields(LogoutInput, request.data).get("refresh")
        family = tokens.session_of(refresh, "refresh") if refresh else None
        for session in (family, request.auth):
            if isinstance(session, SessionBase):
                tokens.end_session(session)
        if request.auth is None and request.user.is_authenticated:
            logout(request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProfileInput(StrictSerializer):
    name = LineField(max_length=MAX_NAME_LENGTH, required=False, allow_blank=True)
    language = serializers.ChoiceField(choices=settings.LANGUAGES, required=False, allow_blank=True)


class MeView(APIView):
    """The signed-in user, with the workspaces that it belongs to."""

    policy = SIGNED_IN
    serializer_class = ProfileInput
    http_method_names = ["get", "head", "options"]

    @extend_schema(responses=schema.UserOutput)
    def get(self, request: Request) -> Response:
        return Response(describe_user(signed_in(request)))


class ProfileView(MeView):
    """The same, and its name and language to change."""

    http_method_names = ["get", "patch", "head", "options"]

    @extend_schema(request=ProfileInput, responses={200: schema.UserOutput, 422: ErrorSerializer})
    def patch(self, request: Request) -> Response:
        user = services.update_profile(user=signed_in(request), **check_fields(ProfileInput, request.data))
        return Response(describe_user(user))


class ForgotInput(StrictSerializer):
    email = EmailLineField()


class ForgotView(OpenView):
    """Mail a reset link. The answer is the same whether or not the address has an account."""

    serializer_class = ForgotInput

    @extend_schema(request=ForgotInput, responses={202: schema.SentOutput, 422: ErrorSerializer, 429: ErrorSerializer})
    def post(self, request: Request) -> Response:
        email = check_fields(ForgotInput, request.data)["email"]
        count_attempt(request._request, email, "reset_password")
        form = ResetPasswordForm({"email": email})
        if form.is_valid():
            form.save(request._request)
        return Response({"sent": True}, status=status.HTTP_202_ACCEPTED)


class MailedTokenField(LineField):
    """A token from a mail: what is not even a text is as worthless as one that has expired, and answered alike."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        try:
            return super().run_validation(data)
        except serializers.ValidationError:
            raise errors.TokenInvalid(param=self.field_name) from None


class ResetInput(StrictSerializer):
    """`key` as the mail's link carries it; `token` is another name for it."""

    key = MailedTokenField(max_length=256, required=False)
    token = MailedTokenField(max_length=256, required=False)
    password = PasswordField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("key" in attrs) == ("token" in attrs):
            raise serializers.ValidationError({"key": ["Send either `key` or `token`."]})
        return {"key": attrs.get("key") or attrs.get("token"), "password": attrs["password"]}


class ResetView(OpenView):
    """Set a new password with a key from the mail: every session of the account ends, and the key is used up."""

    serializer_class = ResetInput

    @extend_schema(
        request=ResetInput,
        responses={200: schema.ResetOutput, 400: ErrorSerializer, 422: ErrorSerializer, 429: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        count_attempt(request._request, "", "reset_password_from_key")
        data = check_fields(ResetInput, request.data)
        uid, _, key = data["key"].partition("-")
        form = UserTokenForm({"uidb36": uid, "key": key})
        if not form.is_valid():
            raise errors.TokenInvalid(param="key")
        check_password(data["password"], form.reset_user)
        flows.password_reset.reset_password(form.reset_user, data["password"])
        flows.password_reset.finalize_password_reset(request._request, form.reset_user)
        return Response({"reset": True})


class VerifyInput(StrictSerializer):
    key = MailedTokenField(max_length=256)


class VerifyEmailView(OpenView):
    """Confirm an address with the key from the mail."""

    serializer_class = VerifyInput

    @extend_schema(
        request=VerifyInput, responses={200: schema.VerifiedOutput, 400: ErrorSerializer, 422: ErrorSerializer}
    )
    def post(self, request: Request) -> Response:
        key = check_fields(VerifyInput, request.data)["key"]
        confirmation = get_emailconfirmation_model().from_key(key)
        if confirmation is None or not confirmation.confirm(request._request):
            raise errors.TokenInvalid(param="key")
        return Response({"verified": True})


class ResendVerificationView(APIView):
    """Mail the confirmation link again."""

    policy = SIGNED_IN

    @extend_schema(request=None, responses={202: schema.SentOutput, 429: ErrorSerializer})
    def post(self, request: Request) -> Response:
        send_verification(request._request, signed_in(request), signup=True)
        return Response({"sent": True}, status=status.HTTP_202_ACCEPTED)


class ProvidersView(OpenView):
    """The providers that this installation lets people sign in with."""

    @extend_schema(responses=schema.ProvidersOutput)
    def get(self, request: Request) -> Response:
        providers = [
            {"id": name, "name": label, "url": f"/api/auth/{name}", "enabled": name in settings.SOCIALACCOUNT_PROVIDERS}
            for name, label in (("github", "GitHub"), ("google", "Google"))
        ]
        return Response({"data": providers, "next": None})
