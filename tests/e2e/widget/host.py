"""Other people's sites, on origins of their own, with a widget in them."""

import html
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

# What a page may do to everything on it, and does.
HOSTILE_CSS = """
* { display: none !important; all: unset !important; visibility: hidden !important; opacity: 0 !important;
    transform: scale(0) !important; pointer-events: none !important;
    --gilo-x: 900px !important; --gilo-y: 900px !important }
html, body, main, button#mine { display: block !important; visibility: visible !important; opacity: 1 !important;
    transform: none !important; pointer-events: auto !important }
iframe { width: 1px !important; height: 1px !important } dialog { display: none !important }
button { background: red !important; font-size: 90px !important }
"""
PLAIN_CSS = "body { font: 16px sans-serif; margin: 40px }"


class HostSite:
    """A site on a free port. `pages`: path → body; each has the strictest policy that the widget's guide names."""

    def __init__(self, gilo: str, name: str = "localhost") -> None:
        self.gilo, self.pages, self.styles = gilo, {}, PLAIN_CSS
        self.extra_scripts = ""  # another source for script-src
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site._answer(self)

            def log_message(self, *_words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://{name}:{self._server.server_port}"
        self.pages: dict[str, str]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def policy(self) -> str:
        """Nothing but the widget: docs/widget.md promises that this is enough."""
        return (
            f"default-src 'none'; script-src {self.gilo}; frame-src {self.gilo}; style-src 'self'; "
            "require-trusted-types-for 'script'"
        )

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path).path
        kind, text = ("text/css", self.styles) if path == "/site.css" else ("text/html", self._page(path))
        body = text.encode()
        request.send_response(200 if path == "/site.css" or path in self.pages else 404)
        request.send_header("Content-Type", f"{kind}; charset=utf-8")
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Content-Security-Policy", self.policy)
        request.end_headers()
        request.wfile.write(body)

    def _page(self, path: str) -> str:
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A site</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="stylesheet" href="/site.css"></head>'
            f"<body><main><h1>A site</h1></main>{self.pages.get(path, '')}</body></html>"
        )


def script(gilo: str, agent: str, key: str, **attributes: str) -> str:
    """The snippet; attributes without their `data-`, `_` for `-`."""
    given = {"agent-id": agent, "key": key, **{name.replace("_", "-"): text for name, text in attributes.items()}}
    written = " ".join(f'data-{name}="{html.escape(text)}"' for name, text in given.items())
    return f'<script src="{gilo}/widget.js" {written} async></script>'
