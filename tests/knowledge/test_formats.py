"""What the Knowledge tab lets through is what the API takes."""

import re

import pytest

from knowledge.sniffing import _BY_EXTENSION

pytestmark = pytest.mark.django_db

ONE_OF_EACH = {
    "notes.rst": b"Title\n=====\n", "server.log": b"started\n", "prices.tsv": b"item\tprice\nTea\t2\n",
    "rows.jsonl": b'{"a": 1}\n{"a": 2}\n', "page.xhtml": b"<html><body>Hello</body></html>", "plain.text": b"hello\n",
}  # fmt: skip


def test_file_picker_offers_what_the_api_takes(member, agent, upload):
    page = member.get(f"/agents/{agent.pk}?tab=knowledge").content.decode()
    accepted = re.search(r'data-files multiple accept="([^"]*)"', page)[1].split(",")
    assert set(accepted) == {f".{extension}" for extension in _BY_EXTENSION}
    for name, content in ONE_OF_EACH.items():
        assert upload(name, content).status_code == 202
