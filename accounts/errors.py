"""What can go wrong when somebody signs up, signs in or proves who they are."""

from http import HTTPStatus

from core.errors import BadRequest, Conflict, GiloError, NotAuthenticated, NotFound, PermissionDenied


class CredentialsWrong(NotAuthenticated):
    code = "credentials_wrong"
    message = "The e-mail address or the password is not correct."


class MfaRequired(NotAuthenticated):
    code = "mfa_required"
    message = "Send the six digits of your authenticator app, or a recovery code, as `code`."


class MfaWrong(NotAuthenticated):
    code = "mfa_wrong"
    message = "This code is not correct or was used already."


class AccountSuspended(PermissionDenied):
    code = "account_suspended"
    message = "This account is suspended. Contact the operator of this site."


class EmailNotVerified(PermissionDenied):
    code = "email_not_verified"
    message = "Confirm your e-mail address first: we have sent you a link."


class EmailTaken(Conflict):
    code = "email_taken"
    message = "An account with this e-mail address exists already. Sign in, or reset the password."


class TokenInvalid(BadRequest):
    code = "token_invalid"
    message = "This link or token is not valid any more. Ask for a new one."


class ProviderNotConfigured(NotFound):
    code = "provider_not_configured"
    message = "Signing in with this provider is not set up here. Use your e-mail address and password."


class SocialStateMissing(BadRequest):
    code = "state_missing"
    message = "This sign-in did not start here, or took too long. Start again from the sign-in page."


class CrossSiteRefused(PermissionDenied):
    code = "cross_site_refused"
    message = "This request comes from another site, or its CSRF token is missing. Reload the page and try again."


class ScopeMissing(PermissionDenied):
    code = "scope_missing"
    message = "This key does not open this. Use a key with the right scope, or none to open everything."


class SocialEmailTaken(GiloError):
    status = HTTPStatus.CONFLICT
    code = "social_email_taken"
    message = (
        "An account with this e-mail address exists already. Sign in to it with your password, "
        "then connect the provider under Settings, Security."
    )
