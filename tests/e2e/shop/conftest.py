"""The tests here have a server of their own, which sells: plans of the platform's, and agents of its users."""

from collections.abc import Iterator

import pytest

from core.embedded_postgres import EmbeddedPostgres
from tests.e2e.conftest import Visit, Visitor
from tests.fake_stripe import KEY, WEBHOOK_SECRET, FakeStripe
from tests.processes import Process, running


@pytest.fixture(scope="package")
def stripe() -> Iterator[FakeStripe]:
    server = FakeStripe()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory, stripe: FakeStripe) -> Iterator[Process]:
    """GiLo, set up for Stripe as its operator does it; with the offline model."""
    data_dir = tmp_path_factory.mktemp("shop") / "data"
    environment = {
        "GILO_DEFAULT_PLAN": "free", "GILO_SEED_DEMO": "0", "STRIPE_SECRET_KEY": KEY, "STRIPE_API_BASE": stripe.url,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, "GILO_TRIAL_DAYS": "0",
    }  # fmt: skip
    with running(data_dir, env=environment, is_first_start=False) as process:
        setup = Process(data_dir, "stripe_setup", env=environment)
        assert setup.popen.wait(60) == 0
        yield process
    EmbeddedPostgres(data_dir / "postgres").stop()


@pytest.fixture
def home(site: Process) -> str:
    """The address as Stripe knows it, to lead back to."""
    return f"http://localhost:{site.port}"


@pytest.fixture
def customer(visitor: Visitor, stripe: FakeStripe) -> Visit:
    visit = visitor()
    visit.allowed.append(stripe.url)  # Stripe's pages
    return visit
