import pytest

from billing.plans import PLANS, plan_of, windows_of


@pytest.mark.parametrize(
    ("plan", "limits"),
    [
        ("free", {"minute": 60, "day": 1_000}),
        ("pro", {"minute": 300, "day": 10_000}),
        ("team", {"minute": 1_000}),
        ("unlimited", {}),
    ],
)
def test_windows_of_each_plan(plan, limits):
    assert {window.name: window.limit for window in windows_of(plan)} == limits


def test_no_plan_means_the_operators_default(settings):
    assert plan_of("") is PLANS["free"]
    settings.DEFAULT_PLAN = "unlimited"
    assert plan_of("") is PLANS["unlimited"]
    assert windows_of("") == ()


def test_plan_that_is_no_longer_sold_means_the_default():
    assert windows_of("gold") == windows_of("free")
