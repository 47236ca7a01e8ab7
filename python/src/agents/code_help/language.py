"""Which language a file is in, by its name: said to the model and put on its code fence."""

from __future__ import annotations

from pathlib import PurePosixPath

_BY_SUFFIX = {
    "py": "python", "pyi": "python", "js": "javascript", "mjs": "javascript", "cjs": "javascript", "jsx": "jsx",
    "ts": "typescript", "tsx": "tsx", "java": "java", "kt": "kotlin", "scala": "scala", "go": "go", "rs": "rust",
    "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp", "hpp": "cpp", "cs": "csharp", "rb": "ruby", "php": "php",
    "swift": "swift", "lua": "lua", "r": "r", "jl": "julia", "pl": "perl", "sh": "bash", "bash": "bash",
    "zsh": "bash", "ps1": "powershell", "sql": "sql", "html": "html", "css": "css", "scss": "scss", "vue": "vue",
    "svelte": "svelte", "json": "json", "yaml": "yaml", "yml": "yaml", "toml": "toml", "ini": "ini", "xml": "xml",
    "md": "markdown", "rst": "rst", "tex": "latex", "dart": "dart", "ex": "elixir", "exs": "elixir", "erl": "erlang",
    "hs": "haskell", "ml": "ocaml", "clj": "clojure", "tf": "terraform", "proto": "protobuf", "graphql": "graphql",
}  # fmt: skip
_BY_NAME = {"dockerfile": "dockerfile", "makefile": "makefile", "cmakelists.txt": "cmake"}


def language_of(path: str) -> str:
    """The language's usual name, '' where the file's name does not tell it."""
    name = PurePosixPath(path).name.lower()
    return _BY_NAME.get(name) or _BY_SUFFIX.get(name.rpartition(".")[2], "")
