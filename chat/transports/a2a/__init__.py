"""The agent for other agents, by the A2A protocol 1.0 (JSON-RPC). A task is a run, a context is a conversation.

The official SDK's server brings task stores and event queues in memory, and gRPC's base libraries; our runs are durable
already, so this is a thin dispatch of our own, in the JSON of the protocol. The SDK's client proves it in the tests.
docs/a2a.md tells what is taken and refused.
"""

from chat.transports.a2a.card import card_endpoint
from chat.transports.a2a.rpc import rpc_endpoint

__all__ = ["card_endpoint", "rpc_endpoint"]
