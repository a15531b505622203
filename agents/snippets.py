"""Code that calls one agent, ready to paste: filled with its addresses and one of its own questions.

A key slot stands where the API key goes: it reads the environment variable GILO_API_KEY, and the page replaces it with
a key just made while that is shown. tests/e2e/test_deploy_snippets.py runs every one of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from django.utils.translation import gettext_lazy as _

from agents.models import KeyKind

VARIABLE = "GILO_API_KEY"
STREAM, WHOLE = "stream", "whole"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where one agent is called; absolute URLs, `model` is its id."""

    model: str
    slug: str
    chat: str
    openai: str
    websocket: str
    mcp: str
    a2a: str
    widget: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for the key: `text` reads it from the environment, `literal` holds `{key}` where it is filled in.

    `kind` is that of the key that belongs there (agents.models.KeyKind).
    """

    text: str
    literal: str
    kind: str = KeyKind.SECRET


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of code. `mode`: how the answer comes, STREAM or WHOLE; "" when there is only one way."""

    parts: Sequence[str | Slot]
    mode: str = ""
    file: str = ""

    def as_text(self, key: str = "") -> str:
        """The code as it is copied: with the key, or reading it from the environment."""
        return "".join(part if isinstance(part, str) else _fill(part, key) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One tab: a language or a protocol."""

    id: str
    label: str
    hint: object  # a lazy translation
    blocks: Sequence[Block]

    @property
    def has_modes(self) -> bool:
        return len(self.blocks) > 1


def make_snippets(addresses: Addresses, question: str) -> list[Snippet]:
    """All ways to call the agent; `question` is what they ask."""
    return [
        Snippet("curl", "curl", _("For a first try in a terminal."), _curl(addresses, question)),
        Snippet("python", "Python", _("Nothing to install."), _python(addresses, question)),
        Snippet("node", "Node", _("Nothing to install: Node 18 or newer."), _node(addresses, question)),
        Snippet("openai-python", "OpenAI Python", "pip install openai", _openai_python(addresses, question)),
        Snippet("openai-node", "OpenAI Node", "npm install openai", _openai_node(addresses, question)),
        Snippet("websocket", "WebSocket", "pip install websockets", _websocket(addresses, question)),
        Snippet("mcp", "MCP", _("For clients that read mcpServers: Claude, Cursor and others."), _mcp(addresses)),
        Snippet("a2a", "A2A", _("The agent card tells other agents what this one can do."), _a2a(addresses)),
        Snippet("widget", "Widget", _("Before </body>, with a widget key."), _widget(addresses)),
    ]


def _fill(slot: Slot, key: str) -> str:
    return slot.literal.replace("{key}", key) if key else slot.text


def _text(value: object) -> str:
    """A literal that Python, JavaScript and JSON read alike."""
    return json.dumps(value, ensure_ascii=False)


_SHELL_KEY = Slot(f'"Authorization: Bearer ${VARIABLE}"', '"Authorization: Bearer {key}"')
_PYTHON_IMPORT = Slot("import os\n", "")
_PYTHON_KEY = Slot(f'os.environ["{VARIABLE}"]', '"{key}"')
_PYTHON_BEARER = Slot(f'"Bearer " + os.environ["{VARIABLE}"]', '"Bearer {key}"')
_NODE_KEY = Slot(f"process.env.{VARIABLE}", '"{key}"')
_NODE_BEARER = Slot(f"`Bearer ${{process.env.{VARIABLE}}}`", '"Bearer {key}"')
_JSON_BEARER = Slot(f'"Bearer ${{{VARIABLE}}}"', '"Bearer {key}"')  # MCP clients put the environment in there
_WIDGET_KEY = Slot('"YOUR_WIDGET_KEY"', '"{key}"', KeyKind.WIDGET)


def _curl(addresses: Addresses, question: str) -> list[Block]:
    def block(mode: str, flag: str, body: dict[str, object]) -> Block:
        return Block(
            [f"curl {flag}{addresses.chat} \\\n  -H ", _SHELL_KEY, ' \\\n  -H "Content-Type: application/json" \\\n'
             f"  -d {quote(_text(body))}"], mode,
        )  # fmt: skip

    return [block(STREAM, "-N ", {"message": question}), block(WHOLE, "", {"message": question, "stream": False})]


def _python(addresses: Addresses, question: str) -> list[Block]:
    def block(mode: str, body: str, reading: str) -> Block:
        request = (
            "import urllib.request\n\n"
            "request = urllib.request.Request(\n"
            f"    {_text(addresses.chat)},\n"
            f"    data=json.dumps({body}).encode(),\n"
            '    headers={\n        "Authorization": '
        )
        rest = (
            ',\n        "Content-Type": "application/json",\n    },\n)\n'
            f"with urllib.request.urlopen(request) as answer:\n{reading}"
        )
        return Block(["import json\n", _PYTHON_IMPORT, request, _PYTHON_BEARER, rest], mode)

    streaming = (
        '    event = ""\n'
        "    for line in answer:\n"
        '        name, _, value = line.decode().rstrip("\\n").partition(": ")\n'
        '        if name == "event":\n'
        "            event = value\n"
        '        elif name == "data" and event == "delta":\n'
        '            print(json.loads(value)["text"], end="", flush=True)\n'
        '        elif name == "data" and event == "error":\n'
        '            raise SystemExit(json.loads(value)["error"]["message"])'
    )
    whole = '    print(json.load(answer)["content"])'
    return [
        block(STREAM, f'{{"message": {_text(question)}}}', streaming),
        block(WHOLE, f'{{"message": {_text(question)}, "stream": False}}', whole),
    ]


def _node(addresses: Addresses, question: str) -> list[Block]:
    def block(mode: str, body: str, reading: str) -> Block:
        start = (
            f"const answer = await fetch({_text(addresses.chat)}, {{\n"
            '  method: "POST",\n  headers: {\n    Authorization: '
        )
        rest = (
            ',\n    "Content-Type": "application/json",\n  },\n'
            f"  body: JSON.stringify({body}),\n}});\n"
            f"if (!answer.ok) throw new Error(await answer.text());\n{reading}"
        )
        return Block([start, _NODE_BEARER, rest], mode, "ask.mjs")

    streaming = (
        'let rest = "";\n'
        "for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {\n"
        '  const events = (rest + piece).split("\\n\\n");\n'
        "  rest = events.pop();\n"
        "  for (const event of events) {\n"
        "    const [, name, data] = /event: (.+)\\ndata: (.+)/.exec(event) ?? [];\n"
        '    if (name === "delta") process.stdout.write(JSON.parse(data).text);\n'
        '    if (name === "error") throw new Error(JSON.parse(data).error.message);\n'
        "  }\n"
        "}"
    )
    whole = "console.log((await answer.json()).content);"
    return [
        block(STREAM, f"{{ message: {_text(question)} }}", streaming),
        block(WHOLE, f"{{ message: {_text(question)}, stream: false }}", whole),
    ]


def _openai_python(addresses: Addresses, question: str) -> list[Block]:
    def block(mode: str, name: str, more: str, reading: str) -> Block:
        start = f"from openai import OpenAI\n\nclient = OpenAI(\n    base_url={_text(addresses.openai)},\n    api_key="
        rest = (
            f",\n)\n{name} = client.chat.completions.create(\n"
            f"    model={_text(addresses.model)},\n"
            f'    messages=[{{"role": "user", "content": {_text(question)}}}],\n{more}'
            f")\n{reading}"
        )
        first = Slot("import os\n\n", "")
        return Block([first, start, _PYTHON_KEY, rest], mode)

    streaming = (
        "for chunk in stream:\n"
        "    if chunk.choices:\n"
        '        print(chunk.choices[0].delta.content or "", end="", flush=True)'
    )
    return [
        block(STREAM, "stream", "    stream=True,\n", streaming),
        block(WHOLE, "answer", "", "print(answer.choices[0].message.content)"),
    ]


def _openai_node(addresses: Addresses, question: str) -> list[Block]:
    def block(mode: str, name: str, more: str, reading: str) -> Block:
        start = (
            'import OpenAI from "openai";\n\n'
            f"const client = new OpenAI({{\n  baseURL: {_text(addresses.openai)},\n  apiKey: "
        )
        rest = (
            f",\n}});\nconst {name} = await client.chat.completions.create({{\n"
            f"  model: {_text(addresses.model)},\n"
            f'  messages: [{{ role: "user", content: {_text(question)} }}],\n{more}'
            f"}});\n{reading}"
        )
        return Block([start, _NODE_KEY, rest], mode, "ask.mjs")

    streaming = 'for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");'
    return [
        block(STREAM, "stream", "  stream: true,\n", streaming),
        block(WHOLE, "answer", "", "console.log(answer.choices[0].message.content);"),
    ]


def _websocket(addresses: Addresses, question: str) -> list[Block]:
    start = 'from websockets.sync.client import connect\n\nheaders = {"Authorization": '
    rest = (
        "}\n"
        f"with connect({_text(addresses.websocket)}, additional_headers=headers) as socket:\n"
        f'    socket.send(json.dumps({{"message": {_text(question)}}}))\n'
        "    for frame in map(json.loads, socket):\n"
        '        if frame["event"] == "delta":\n'
        '            print(frame["data"]["text"], end="", flush=True)\n'
        '        elif frame["event"] == "error":\n'
        '            raise SystemExit(frame["data"]["error"]["message"])\n'
        '        elif frame["event"] == "run.finished":\n'
        "            break"
    )
    return [Block(["import json\n", _PYTHON_IMPORT, "\n", start, _PYTHON_BEARER, rest])]


def _mcp(addresses: Addresses) -> list[Block]:
    start = (
        f'{{\n  "mcpServers": {{\n    {_text(addresses.slug)}: {{\n      "type": "http",\n'
        f'      "url": {_text(addresses.mcp)},\n      "headers": {{ "Authorization": '
    )
    return [Block([start, _JSON_BEARER, " }\n    }\n  }\n}"], file=".mcp.json")]


def _a2a(addresses: Addresses) -> list[Block]:
    return [Block([f"curl {addresses.a2a} \\\n  -H ", _SHELL_KEY])]


def _widget(addresses: Addresses) -> list[Block]:
    start = f'<script src="{addresses.widget}"\n  data-agent-id="{addresses.model}"\n  data-key='
    return [Block([start, _WIDGET_KEY, "\n  async></script>"], file="index.html")]
