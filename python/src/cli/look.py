"""What `archon crawl --look` prints of an address before anything is read."""

from __future__ import annotations

from src.errors import JsonValue

from .server_client import JsonObject


def lines_of(seen: JsonObject) -> list[str]:
    """A preview in sentences; each address in a line of its own."""
    problem = seen.get("problem")
    if isinstance(problem, dict):
        return [f"{problem.get('error')} {problem.get('next_step')}"]
    robots = seen.get("robots")
    rules: dict[str, JsonValue] = robots if isinstance(robots, dict) else {}
    if not rules.get("allowed", True):
        return ["The site asks crawlers to leave this address out (robots.txt)."]
    least = "" if seen.get("is_all") else "at least "
    remarks = (
        (rules.get("refused"), f"Left alone, as robots.txt asks: {rules.get('refused')}."),
        (rules.get("crawl_delay_s"), f"The site wants {rules.get('crawl_delay_s')} seconds between two pages."),
        (seen.get("left_out"), f"Left out by patterns, or because it looks endless: {seen.get('left_out')}."),
        (seen.get("needs_browser") != "no", f"Needs a browser: {seen.get('needs_browser')}."),
    )
    return [
        f"{seen.get('title')}: {least}{seen.get('pages')} pages.",
        *(text for holds, text in remarks if holds),
        *(f"There is a plain version: {url}" for url in _texts(seen.get("better"))),
        *_texts(seen.get("first")),
    ]


def _texts(value: JsonValue) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
