"""A person and a program that use a started GiLo through its doors alone: sign up, make an agent, upload, chat."""

import io
from typing import Any
from uuid import uuid4

import requests

PASSWORD = "correct horse battery staple"


class Visitor:
    """Signed up with the access token of a new account; `agent` is the agent that it made, `key` its API key."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.email = f"{uuid4().hex}@example.com"
        self.http = requests.Session()
        account = self.must("POST", "/api/auth/register", json={"email": self.email, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {account['access']}"
        self.http.cookies.clear()
        self.agent = self.must("POST", "/api/agents", json={"name": "Guide"})["id"]
        self.key = self.must("POST", f"/api/agents/{self.agent}/api-keys", json={"name": "tests"})["key"]

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.http.request(method, self.url + path, timeout=30, **options)

    def must(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of an answer that has to be a good one."""
        response = self.call(method, path, **options)
        assert response.ok, (response.status_code, response.text[:500])
        return response.json()

    def upload(self, name: str, content: bytes) -> requests.Response:
        return self.call("POST", f"/api/agents/{self.agent}/knowledge", files={"file": (name, io.BytesIO(content))})

    def documents(self) -> list[dict[str, Any]]:
        return self.must("GET", f"/api/agents/{self.agent}/knowledge")["data"]

    def chat(self, message: str = "Hello", **fields: Any) -> requests.Response:
        """A question with the API key, answered as one JSON object."""
        return requests.post(
            f"{self.url}/api/v1/agents/{self.agent}/chat",
            json={"message": message, "stream": False, **fields},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=30,
        )

    def close(self) -> None:
        self.http.close()


def refusal_of(response: requests.Response) -> tuple[int, str]:
    """Status and code of an answer that must have our error shape and say when to come again."""
    error = response.json()["error"]
    assert set(error) == {"type", "code", "message", "param", "request_id"}, error
    assert error["request_id"] == response.headers["X-Request-Id"]
    assert int(response.headers["Retry-After"]) > 0
    return response.status_code, error["code"]
