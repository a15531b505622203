"""HTML: what a reader would see, without scripts, styles and hidden parts. Nothing is fetched."""

from collections.abc import Iterator
from pathlib import Path

from lxml import etree, html  # type: ignore[import-untyped]

from knowledge.loaders.text import detect_encoding
from knowledge.loaders.types import LoadError, Section

_UNSEEN = {"script", "style", "noscript", "template", "svg", "math", "iframe", "object", "head", "select", "datalist"}
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "br", "dd", "details", "div", "dl", "dt", "fieldset",
        "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "legend",
        "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul",
    }
)  # fmt: skip
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "section", "article", "blockquote", "pre"}


def load(path: Path) -> Iterator[Section]:
    """The page's title and visible text as one section."""
    content = path.read_bytes()
    encoding = None if b"charset" in content[:2048].lower() else detect_encoding(content)
    parser = html.HTMLParser(no_network=True, encoding=encoding, huge_tree=False, remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(content, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise LoadError("parse_failed", f"The HTML cannot be read: {error}") from error
    title = (tree.findtext(".//title") or "").strip()
    body = _visible_text(tree)
    yield Section(f"{title}\n\n{body}" if title and title not in body[: 2 * len(title)] else body)


def _visible_text(tree: html.HtmlElement) -> str:
    pieces: list[str] = []
    unseen_depth = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        name = element.tag if isinstance(element.tag, str) else "script"
        hidden = name in _UNSEEN or _is_hidden(element)
        if event == "start":
            unseen_depth += hidden
            if not unseen_depth:
                pieces.append(_break(name) + _squeeze(element.text, name))
        else:
            unseen_depth -= hidden
            if not unseen_depth:
                pieces.append(_break(name) + _squeeze(element.tail, ""))
    return _join_lines("".join(pieces))


def _is_hidden(element: html.HtmlElement) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    hidden = element.get("hidden") is not None or element.get("aria-hidden") == "true"
    return hidden or "display:none" in style or "visibility:hidden" in style


def _break(name: str) -> str:
    if name in {"td", "th"}:
        return "\t"
    return "\n\n" if name in _PARAGRAPHS else "\n" if name in _BLOCKS else ""


def _squeeze(text: str | None, name: str) -> str:
    if not text or name == "pre":
        return text or ""
    squeezed = " ".join(text.split())
    return f"{' ' if text[:1].isspace() else ''}{squeezed}{' ' if squeezed and text[-1:].isspace() else ''}"


def _join_lines(text: str) -> str:
    lines: list[str] = []
    for raw in text.split("\n"):
        line = " | ".join(cell for cell in (" ".join(part.split()) for part in raw.split("\t")) if cell)
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip()
