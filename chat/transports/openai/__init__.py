"""The OpenAI-compatible protocol: the agent is the model. docs/openai.md tells what is taken, refused and ignored.

requests.py      what both APIs ask, checked            errors.py    refusals in OpenAI's words
turns.py         from a request to a run                citations.py sources as annotations
completions.py   /chat/completions                      models.py    /models
responses.py     /responses, with response_objects.py (the object) and response_events.py (the stream)
threads.py       the conversation that a response goes on from
rates.py         limits in OpenAI's headers
"""

from chat.transports.openai.completions import completions_endpoint
from chat.transports.openai.models import model_endpoint, models_endpoint
from chat.transports.openai.rates import rate_headers
from chat.transports.openai.responses import response_cancel_endpoint, response_endpoint, responses_endpoint

__all__ = [
    "completions_endpoint",
    "model_endpoint",
    "models_endpoint",
    "rate_headers",
    "response_cancel_endpoint",
    "response_endpoint",
    "responses_endpoint",
]
