"""A plan whose limits are counted but never reached."""

from billing.plans import PLANS, Plan

MANY = 1_000_000_000
PLANS["bench"] = Plan("bench", "Benchmark", 0, requests_per_minute=MANY, requests_per_day=MANY, agents=None)
