"""What can go wrong with a model, in words for the person who waits for the answer.

GiloError
├── TooManyProbes             429  too_many_tests       (carries Retry-After)
└── ModelError                502  model_error
    ├── ModelUnavailable      502  model_unavailable    (no connection, 5xx; may pass)
    │   └── ModelBlocked      502  egress_blocked       (the address is not allowed)
    ├── ModelTimeout          504  model_timeout
    ├── ModelRateLimited      429  model_rate_limited   (carries Retry-After)
    ├── ModelRejected         502  model_rejected       (key, model or request refused: someone must change something)
    │   └── ModelNotConfigured 422 model_not_configured (the agent names an endpoint that is gone)
    └── ModelStreamBroken     502  model_stream_broken  (part of the answer came, the rest is lost)
"""

from http import HTTPStatus

from core.errors import GiloError, TooManyRequests


class TooManyProbes(TooManyRequests):
    code = "too_many_tests"
    message = "Other tests of model endpoints are still running. Wait until they have ended, then try again."


class ModelError(GiloError):
    status = HTTPStatus.BAD_GATEWAY
    code = "model_error"
    message = "The model could not answer."


class ModelUnavailable(ModelError):
    code = "model_unavailable"
    message = "The model's server cannot be reached or failed. Try again; if it persists, test it in Settings → Models."
    retryable = True


class ModelBlocked(ModelUnavailable):
    code = "egress_blocked"
    message = "The model's address is not allowed, or nothing answers there. Check it in Settings → Models."
    retryable = False


class ModelTimeout(ModelError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "model_timeout"
    message = "The model took too long to answer. Try again, or choose a faster model."
    retryable = True


class ModelRateLimited(ModelError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "model_rate_limited"
    message = "The model's provider limits the number of requests. Wait a moment, then try again."
    retryable = True


class ModelRejected(ModelError):
    code = "model_rejected"
    message = "The model's provider refused the request. Check key and model in Settings → Models."


class ModelNotConfigured(ModelRejected):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "model_not_configured"
    message = "This agent's model endpoint no longer exists. Choose another one in the agent's Model tab."


class ModelStreamBroken(ModelError):
    code = "model_stream_broken"
    message = "The connection to the model broke in the middle of the answer. What came before is kept."
    retryable = True
