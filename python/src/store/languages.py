"""Programming languages by the one name that code examples are stored and searched under."""

from __future__ import annotations

_ALIASES = {
    alias: language
    for language, aliases in (
        ("python", "py python3 pycon ipython3 ipython python-repl"),
        ("javascript", "js jsx mjs node"),
        ("typescript", "ts"),
        ("bash", "sh shell console shell-session zsh terminal"),
        ("yaml", "yml"),
        ("cpp", "c++ cxx"),
        ("csharp", "cs c#"),
        ("go", "golang"),
        ("rust", "rs"),
        ("html", "html5 xhtml"),
        ("sql", "postgresql postgres psql mysql sqlite"),
        ("dockerfile", "docker"),
    )
    for alias in aliases.split()
}


def usual_language(name: str) -> str:
    """The usual name of a programming language: `py`, `python3` and `Python` are all `python`."""
    return _ALIASES.get(name.lower(), name.lower())
