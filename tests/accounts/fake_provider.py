"""An OAuth provider over real HTTP, as strict as the real ones: single-use codes, PKCE, exact redirect address."""

import base64
import hashlib
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

CLIENT_ID, CLIENT_SECRET = "client-1", "client-secret-1"


class FakeProvider:
    """Serves GitHub's and Google's endpoints for one person, `profile` and `emails`."""

    def __init__(self) -> None:
        self.profile: dict[str, Any] = {}
        self.emails: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self._grants: dict[str, dict[str, str]] = {}
        self._tokens: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "FakeProvider":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def grant(self, location: str) -> dict[str, str]:
        """What the person's browser brings back after agreeing: the callback's query."""
        query = dict(parse_qsl(urlsplit(location).query))
        assert query["client_id"] == CLIENT_ID and query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256" and len(query["state"]) >= 16
        code = secrets.token_urlsafe(12)
        self._grants[code] = query
        return {"code": code, "state": query["state"]}

    def _exchange(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        grant = self._grants.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        checks = {
            "code": grant is not None,
            "pkce": grant is not None and grant["code_challenge"] == challenge,
            "redirect_uri": grant is not None and grant["redirect_uri"] == form.get("redirect_uri"),
            "secret": (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET),
        }
        self.problems += [name for name, is_right in checks.items() if not is_right]
        if not all(checks.values()):
            return 400, {"error": "invalid_grant"}
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": 3600}

    def _person(self, path: str, authorization: str) -> tuple[int, Any]:
        if authorization.partition(" ")[2] not in self._tokens:
            return 401, {"message": "Bad credentials"}
        return 200, self.emails if path.endswith("/emails") else self.profile

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                self._answer(*provider._exchange(form))

            def do_GET(self) -> None:
                self._answer(*provider._person(self.path, self.headers.get("Authorization", "")))

            def _answer(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        return Handler
