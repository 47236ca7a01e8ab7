"""HTML to the Markdown of its main content, its title, its language and its links."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from html_to_markdown import ConversionError, ConversionOptions, convert
from selectolax.lexbor import LexborHTMLParser, LexborNode

from src.errors import DocumentUnreadable, NeedsBrowser

from .addresses import joined
from .code_tables import open_code_tables
from .document import Link
from .line_numbers import drop_line_numbers

_NOISE = (
    "script,style,noscript,template,iframe,svg,button,nav,aside,form,"
    "[role=navigation],[role=search],[role=contentinfo],[hidden],"
    ".headerlink,.sphinxsidebar,.related,.footer,.navheader,.navfooter,.breadcrumbs,.skip-link,.edit-this-page"
)
_MAIN = ("main", "[role=main]", "article", "#content", "div.body", "div.document")
_FRAME = "body > header, body > footer, main > footer, article > footer"
_LEAST_SHARE = 0.2
"""A main part with less than this share of the page's text is not the main part."""
_LANGUAGE = re.compile(r"(?:^|\s)(?:language|lang|highlight-source|highlight)-([A-Za-z0-9+#_-]+)")
_NAME = re.compile(r"[A-Za-z0-9+#_-]{1,30}")
_NOT_A_LANGUAGE = frozenset({"default", "none", "text", "notranslate", "plaintext", "wrapper"})
_BASE = ConversionOptions(extract_metadata=False, compact_tables=True)
_APP_FRAMES = "#root,#app,#__next,#__nuxt,#___gatsby,#svelte,app-root,[data-reactroot],[ng-app],[data-server-rendered]"
"""Where the frameworks of browser applications put what they draw."""
_THIN_WORDS = 30
_LOGIN_WORDS = 80
"""A page that asks for a password and says no more than this is a way in, not a page with a login box."""
MAX_LINKS = 5000


@dataclass(frozen=True, slots=True)
class HtmlParts:
    """What a page consists of. `language` is the code that the page claims, such as `en`.

    `is_thin`: hardly any text, and scripts that may bring more.
    """

    title: str
    heading: str
    language: str | None
    markdown: str
    links: tuple[Link, ...]
    is_thin: bool


def read_html(html: str, url: str) -> HtmlParts:
    """The parts of a page.

    Raises:
        NeedsBrowser: it shows its text only with JavaScript.
        DocumentUnreadable: it has no text, or only the way to log in.
    """
    tree = LexborHTMLParser(html)
    title, language = _title(tree), _attribute(tree, "html", "lang")
    links = _links(tree, url)
    has_scripts, wants_login = bool(tree.css_first("script")), bool(tree.css_first("input[type=password]"))
    has_frame = bool(tree.css_first(_APP_FRAMES))
    for node in tree.css(_NOISE):
        node.decompose()
    main = _main(tree)
    markdown = _markdown(main, url) if main is not None else ""
    words = len(markdown.split())
    if wants_login and words < _LOGIN_WORDS:
        raise DocumentUnreadable(
            "The page wants a login, which Archon does not have.",
            next_step="Leave it out, or save the page from your browser and upload the file.",
        )
    if not words:
        raise _no_text(has_scripts)
    first = main.css_first("h1") if main is not None else None
    heading = " ".join(first.text().split()) if first is not None else ""
    is_thin = has_scripts and has_frame and words < _THIN_WORDS
    return HtmlParts(title or heading, heading, language, markdown, links, is_thin)


def to_markdown(html: str, url: str) -> str:
    """A piece of HTML as Markdown; empty where it has no text."""
    body = LexborHTMLParser(html).body
    return _markdown(body, url) if body is not None else ""


def _no_text(has_scripts: bool) -> DocumentUnreadable:
    if has_scripts:
        return NeedsBrowser("The page has no text without JavaScript.")
    return DocumentUnreadable("The page has no text.", next_step="Leave it out.")


def _title(tree: LexborHTMLParser) -> str:
    node = tree.css_first("head > title") or tree.css_first("title")
    return " ".join(node.text().split())[:500] if node is not None else ""


def _attribute(tree: LexborHTMLParser, selector: str, name: str) -> str | None:
    node = tree.css_first(selector)
    return (node.attributes.get(name) or None) if node is not None else None


def _links(tree: LexborHTMLParser, url: str) -> tuple[Link, ...]:
    """Links that may be followed, each address once."""
    base = joined(url, _attribute(tree, "base", "href") or "") or url
    found: dict[str, Link] = {}
    seen: set[str] = set()
    for node in tree.css("a[href]"):
        reference = (node.attributes.get("href") or "").partition("#")[0]
        if reference in seen or "nofollow" in (node.attributes.get("rel") or ""):
            continue
        seen.add(reference)
        target = joined(base, reference) if reference else None
        if target is not None:
            found.setdefault(target, Link(target, " ".join(node.text().split())[:200]))
        if len(found) >= MAX_LINKS:
            break
    return tuple(found.values())


def _main(tree: LexborHTMLParser) -> LexborNode | None:
    """The part with the content: the first of the usual places that holds a good share of the text."""
    body = tree.body
    if body is None:
        return None
    for node in tree.css(_FRAME):
        node.decompose()
    whole = len(body.text(strip=True))
    for selector in _MAIN:
        found = tree.css(selector)
        if len(found) == 1 and len(found[0].text(strip=True)) >= whole * _LEAST_SHARE:
            return found[0]
    return body


def _markdown(main: LexborNode, url: str) -> str:
    drop_line_numbers(main)
    open_code_tables(main)
    for node in main.css("pre"):
        language = _code_language(node)
        if language:
            node.attrs["class"] = f"language-{language}"
    try:
        markdown = convert(main.html or "", replace(_BASE, base_url=url)).content or ""
    except ConversionError:
        markdown = ""
    # Markup nested a thousand deep is dropped by the converter; its words are worth more than nothing.
    return markdown if markdown.strip() else main.text(separator="\n", strip=True)


def _code_language(node: LexborNode) -> str | None:
    """The language of a code block, from its own classes or those of its code and its frames."""
    code = node.css_first("code")
    parent = node.parent
    frames = [node, code, parent, parent.parent if parent is not None else None]
    for frame in frames:
        names = (frame.attributes.get("class") or "") if frame is not None else ""
        match = _LANGUAGE.search(names)
        named = match.group(1) if match else _data_language(frame)
        if named and named not in _NOT_A_LANGUAGE:
            return named
    return None


def _data_language(frame: LexborNode | None) -> str | None:
    """The language that an attribute names, as Shiki's code blocks have it."""
    names = frame.attributes if frame is not None else {}
    found = names.get("data-language") or names.get("data-lang") or ""
    return found if _NAME.fullmatch(found) else None
