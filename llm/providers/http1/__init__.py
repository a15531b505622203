"""Kept HTTP/1.1 connections for answers that are streamed: one POST, then the bytes as they come.

Ours, on httptools' parser, because a general client's request and response objects, its timers and its streams cost
more CPU than all the rest of a chat turn (docs/decisions/0008). It does no more than this product needs: POST a body,
read the answer. No redirects, no cookies, no compression, no proxies.

Connections belong to a pool of the running event loop and close with it. One watch per pool, not a timer per read,
finds the answers that are late.
"""

from llm.providers.http1.connection import (
    ConnectFailed,
    Connection,
    ConnectionLost,
    NameUnknown,
    NotTrusted,
    Origin,
    Target,
    make_target,
)
from llm.providers.http1.pool import Pool, close_pool, get_pool

__all__ = [
    "ConnectFailed", "Connection", "ConnectionLost", "NameUnknown", "NotTrusted", "Origin", "Pool", "Target",
    "close_pool", "get_pool", "make_target",
]  # fmt: skip
