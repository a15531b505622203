"""The product with the benchmark's plan: `uvicorn bench.limited:application`."""

from bench import limits  # noqa: F401 - the plan must be there
from gilo.asgi import application  # noqa: F401
