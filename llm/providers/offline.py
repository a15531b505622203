"""The demo model: it answers from the agent's documents by quoting them, with citations, and needs no network.

It says that it is a demo only when it has nothing to quote; the page says so all the time.
"""

import asyncio
import re
from collections.abc import AsyncIterator

from llm.catalog import count_tokens
from llm.extraction import Quote, extract_answer
from llm.types import ChatRequest, Endpoint, Finished, ModelEvent, TextDelta, Usage
from llm.words import detect_language, fold

WORD_DELAY = 0.012  # seconds between words, so that streaming can be seen
_PIECE = re.compile(r"\s*\S+")
_GREETING = re.compile(
    r"(?:hello|hi|hey|good (?:morning|afternoon|evening)|bonjour|bonsoir|salut|coucou)\b(?P<rest>.*)", re.DOTALL
)
_THANKS = re.compile(r"(?:thanks|thank you|thx|merci)\b(?P<rest>.*)", re.DOTALL)
_FILLERS = re.compile(
    r"\b(?:there|you|to|all|a|tous|toutes|monsieur|madame|very|much|lot|so|beaucoup|how are|comment|ca|va|allez|vous)\b"
    r"|\W"
)

_SAYINGS = {
    "greeting": {
        "en": "Hello! Ask me a question about this agent's documents.",
        "fr": "Bonjour ! Posez-moi une question sur les documents de cet agent.",
    },
    "thanks": {"en": "You are welcome.", "fr": "Je vous en prie."},
    "no_documents": {
        "en": (
            "I am the demo model: I can only quote this agent's documents, and it has none that fit your question. "
            "Add documents in the Knowledge tab, or connect a model in Settings → Models."
        ),
        "fr": (
            "Je suis le modèle de démonstration : je ne peux que citer les documents de cet agent, et aucun ne "
            "correspond à votre question. Ajoutez des documents dans l'onglet Connaissances, ou connectez un modèle "
            "dans Réglages → Modèles."
        ),
    },
    "no_answer": {
        "en": (
            "I found nothing about that in this agent's documents. I am the demo model: I can only quote them. "
            "Connect a model in Settings → Models."
        ),
        "fr": (
            "Je n'ai rien trouvé à ce sujet dans les documents de cet agent. Je suis le modèle de démonstration : je "
            "ne peux que les citer. Connectez un modèle dans Réglages → Modèles."
        ),
    },
}


async def stream_chat(endpoint: Endpoint, request: ChatRequest) -> AsyncIterator[list[ModelEvent]]:
    """The answer word by word; the last batch holds usage and end, like any endpoint's."""
    text = compose_answer(request)
    for piece in _PIECE.findall(text):
        yield [TextDelta(piece)]
        await asyncio.sleep(WORD_DELAY)
    read = sum(count_tokens(message.content) for message in request.messages)
    yield [Usage(read, count_tokens(text)), Finished("stop")]


def compose_answer(request: ChatRequest) -> str:
    """The whole answer. Deterministic: the same request gives the same words."""
    question = request.question or _last_question(request)
    language = _language_of(request, question)
    if said := _small_talk(question):
        return _SAYINGS[said][language]
    if not request.passages:
        return _SAYINGS["no_documents"][language]
    quotes = extract_answer(question, request.passages, language)
    return _write(quotes) if quotes else _SAYINGS["no_answer"][language]


def _language_of(request: ChatRequest, question: str) -> str:
    if request.language in {"en", "fr"}:
        return request.language
    sources = detect_language(request.passages[0].content) if request.passages else "en"
    return detect_language(question, default=sources)


def _last_question(request: ChatRequest) -> str:
    return next((message.content for message in reversed(request.messages) if message.role == "user"), "")


def _small_talk(question: str) -> str:
    folded = fold(question).strip()
    for said, pattern in (("greeting", _GREETING), ("thanks", _THANKS)):
        match = pattern.match(folded)
        if match and not _FILLERS.sub("", match["rest"]):
            return said
    return ""


def _write(quotes: list[Quote]) -> str:
    """Sentences in a row, a mark after the last one of each passage; what follows a colon as a list."""
    first, *others = quotes
    if first.text.endswith(":") and others:
        return "\n".join([f"{first.text} [{first.index}]", *(f"- {quote.text}" for quote in others)])
    following = [*others, None]
    return " ".join(
        _end(quote.text) if after and after.index == quote.index else _end(quote.text, f" [{quote.index}]")
        for quote, after in zip(quotes, following, strict=True)
    )


def _end(text: str, mark: str = "") -> str:
    stop = text[-1] if text[-1] in "!…" else "."
    return f"{text.rstrip(' .;,!…')}{mark}{stop}"
