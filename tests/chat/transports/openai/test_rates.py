import pytest

from chat.transports.openai import rate_headers


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0ms"), (-3, "0ms"), (0.1201, "121ms"), (0.9999, "1s"), (1, "1s"), (6.2, "7s"), (59.5, "1m0s"),
        (60, "1m0s"), (361, "6m1s"), (3599.5, "1h0m0s"), (86_341, "23h59m1s"),
    ],
)  # fmt: skip
def test_rate_headers_tell_the_reset_as_openai_does(seconds, told):
    assert rate_headers(60, 12, seconds) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "12",
        "x-ratelimit-reset-requests": told,
    }


def test_rate_headers_never_tell_less_than_nothing():
    assert rate_headers(60, -1, 3)["x-ratelimit-remaining-requests"] == "0"
