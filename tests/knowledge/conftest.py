"""Documents for these tests: real files through the real door."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from knowledge.processing import process_next
from tests import factories

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "samples"


def sample(name: str) -> Path:
    """A real file of the collection beside the repository; skips where it is not at hand."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"{name} is not in the folder shared/samples beside the repository")
    return path


@pytest.fixture
def workspace(db):
    return factories.make_workspace()[0]


@pytest.fixture
def agent(workspace):
    return factories.make_agent(workspace)


@pytest.fixture
def member(client, workspace):
    """The test client, signed in as an owner of the workspace."""
    client.force_login(workspace.members.get())
    client.defaults["HTTP_X_WORKSPACE_ID"] = str(workspace.pk)
    return client


@pytest.fixture(autouse=True)
def files_folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture
def upload(member, agent):
    """Upload bytes; the response."""

    def send(name: str, content: bytes, *, to=None):
        file = SimpleUploadedFile(name, content)
        return member.post(f"/api/agents/{(to or agent).pk}/knowledge", {"file": file})

    return send


@pytest.fixture
def learn(upload):
    """Upload and process; the document as the API shows it."""
    from knowledge.models import Document

    def send(name: str, content: bytes, *, to=None):
        response = upload(name, content, to=to)
        assert response.status_code == 202, response.content
        while process_next():
            pass
        return Document.objects.get(pk=response.json()["id"])

    return send
