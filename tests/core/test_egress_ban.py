"""Only `core/http.py` opens connections to addresses that users chose: every other way out fails the build."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from tests.test_architecture import CODE, ROOT, name_of

# Dotted names as they are after the imports' own names are undone; `?` stands for an object that nobody named.
BANNED = [
    "requests", "requests.*", "urllib3", "urllib3.*", "urllib.request", "urllib.request.*", "http.client",
    "http.client.*", "httpx", "httpx.*", "pycurl", "pycurl.*", "ftplib*", "telnetlib*", "poplib*", "imaplib*",
    "xmlrpc*", "paramiko*", "websockets.*", "websocket*", "aiohttp.ClientSession", "aiohttp.request",
    "aiohttp.TCPConnector", "aiohttp.UnixConnector", "httpx2.Client", "httpx2.AsyncClient", "httpx2.*HTTPTransport",
    "httpx2.get", "httpx2.post", "httpx2.put", "httpx2.patch", "httpx2.delete", "httpx2.head", "httpx2.options",
    "httpx2.request", "httpx2.stream", "openai.OpenAI", "openai.AsyncOpenAI", "openai.Client", "openai.AsyncClient",
    "smtplib.SMTP*", "socket.socket", "socket.create_connection", "socket.fromfd", "asyncio.open_connection",
    "*.create_connection", "*.open_connection", "*.sock_connect", "*.create_datagram_endpoint", "mcp.client*",
    "a2a.client*", "anyio.connect_tcp", "boto3*", "core.http_deadline.*",
]  # fmt: skip
HARMLESS = ["smtplib.SMTPException", "smtplib.SMTPDataError", "smtplib.SMTPRecipientsRefused"]  # only say what failed
# Who may nevertheless, and why. A new line here is a new way out: have it reviewed.
ALLOWED = {
    "core/http.py": {"*"},  # the guard itself
    "core/http_deadline.py": {"httpx2.HTTPTransport"},  # what the guard stands on
    "llm/providers/http1/pool.py": {"?.create_connection"},  # the guard names the addresses
    # the operator's addresses; all others by egress_httpx_client
    "llm/probe.py": {"httpx2.Client", "openai.OpenAI", "core.http_deadline.*"},
    "knowledge/remote_embedding.py": {"openai.OpenAI"},  # the operator's EMBEDDING_BASE_URL
    "gilo/server.py": {"socket.socket"},  # listens
    "scripts/check_health.py": {"urllib.request", "urllib.request.*"},  # this machine's own health
    "scripts/check_container_steps.py": {"socket.socket"},  # looks for a free port
}


def ways_out(source: str) -> set[str]:
    """The banned names that this code uses."""
    tree = ast.parse(source)
    used = {name for name in _names(tree, _imports(tree)) if any(fnmatchcase(name, pattern) for pattern in BANNED)}
    return {name for name in used if not any(fnmatchcase(name, pattern) for pattern in HARMLESS)}


def _imports(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for."""
    meanings: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                meanings[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            meanings |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return meanings


def _names(tree: ast.AST, meanings: dict[str, str]) -> Iterator[str]:
    types = set(_annotations(tree))  # who only says what it is given opens nothing
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and node not in types:
            yield _dotted(node, meanings)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            yield ast.unparse(node.args[0]).strip("'\"")


def _annotations(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                yield from ast.walk(annotation)


def _dotted(node: ast.expr, meanings: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, meanings)}.{node.attr}"
    return meanings.get(node.id, "?") if isinstance(node, ast.Name) else "?"


def _is_allowed(file: str, name: str) -> bool:
    last = f"?.{name.rpartition('.')[2]}"
    return any(fnmatchcase(name, allowed) or last == allowed for allowed in ALLOWED.get(file, ()))


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_module_opens_no_way_out_of_its_own(path):
    found = ways_out(path.read_text(encoding="utf-8"))
    assert {name for name in found if not _is_allowed(name_of(path), name)} == set(), (
        "Reach addresses that users chose through core.http: egress_session, egress_httpx_client, resolve_checked."
    )


@pytest.mark.parametrize(
    "source",
    [
        "import requests",
        "from requests import get",
        "import requests as quiet\nquiet.get('x')",
        "def f():\n    import requests",
        "import urllib.request",
        "from urllib import request",
        "from urllib.request import urlopen as fetch",
        "from http.client import HTTPSConnection",
        "import httpx",
        "import httpx2\nhttpx2.Client()",
        "import httpx2 as h\nh.get('http://x')",
        "from httpx2 import AsyncClient",
        "from aiohttp import ClientSession",
        "import aiohttp\nasync def f():\n    async with aiohttp.ClientSession() as s: ...",
        "import aiohttp as a\nmake = a.ClientSession",
        "import socket\nsocket.create_connection(('h', 1))",
        "from socket import socket",
        "import asyncio\nasync def f():\n    await asyncio.open_connection('h', 1)",
        "async def f(loop):\n    await loop.create_connection(None, 'h', 1)",
        "class A:\n    async def f(self):\n        await self.loop.create_connection(None, 'h', 1)",
        "import smtplib\nsmtplib.SMTP('h')",
        "from smtplib import SMTP_SSL",
        "import openai\nopenai.OpenAI(base_url='x')",
        "from mcp.client.streamable_http import streamable_http_client",
        "import importlib\nimportlib.import_module('requests')",
    ],
)
def test_ban_catches(source):
    assert ways_out(source)


@pytest.mark.parametrize(
    "source",
    [
        "from urllib.parse import urlsplit",
        "from http import HTTPStatus",
        "from smtplib import SMTPException",
        "import aiohttp\naiohttp.ClientError",
        "import httpx2\nhttpx2.HTTPError",
        "import socket\nsocket.gaierror",
        "from core.http import egress_session",
        "import openai\nopenai.OpenAIError",
        "text = 'import requests'",
        "import aiohttp\ndef f(s: aiohttp.ClientSession) -> aiohttp.ClientSession: ...",
        "import importlib\nimportlib.import_module('knowledge.loaders.pdf')",
    ],
)
def test_ban_leaves_alone(source):
    assert ways_out(source) == set()


def test_exceptions_to_the_ban_are_all_needed():
    assert [file for file in ALLOWED if not (ROOT / file).exists()] == []
    unused = [
        f"{file}: {allowed}"
        for file, names in ALLOWED.items()
        for allowed in names
        if not any(
            fnmatchcase(name, allowed) or f"?.{name.rpartition('.')[2]}" == allowed
            for name in ways_out((ROOT / file).read_text(encoding="utf-8"))
        )
    ]
    assert unused == []
