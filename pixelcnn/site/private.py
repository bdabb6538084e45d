"""What a site must not tell: where files lay on the machine that made them.

Paths are foreign text as well as ours: an error message, the file of a user's own architecture, a record that
came from another machine. So not only the folders of this machine are looked for.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

#: An absolute path of two names or more in a text: its first slash is behind none of what a relative one or
#: an address has there. Three slashes and a fourth are SQLite's way to say one.
_PATH = re.compile(
    r"""(?<![\w/.~…-])(?:file://|(?<=:)///(?=/)|(?<!:)/(?=/))?/(?:[^\s/"'`<>()|{}“”*]+/)+[^\s/"'`<>()|{}“”*:,;]*"""
)
#: What people read of a tag, and what of it is an embedded file.
_READ, _EMBEDDED = re.compile(r'(?<=\balt=")[^"]*|(?<=\btitle=")[^"]*'), re.compile(r'data:[^"\')]*')
#: What of an HTML page is no text that people read.
_MARKUP = re.compile(r"<script\b.*?</script>|<style\b.*?</style>|<[^>]*>", re.DOTALL)
_TABLE = re.compile(r"(?<=data:text/csv;base64,)[A-Za-z0-9+/=]+")


def without_paths(text: str) -> str:
    """A text in which each absolute path is "…/" and its last name; of two names alone it is "…"."""
    return _PATH.sub(_shortened, text)


def _shortened(match: re.Match[str]) -> str:
    names = [name for name in match[0].removeprefix("file://").split("/") if name]
    # A path of two names may end in a user's: /home/alice.
    return f"…/{names[-1]}" if len(names) > 2 else "…"


def json_without_paths(value: Any) -> Any:
    """Plain data in which texts, keys too, have no absolute paths. Two keys that would be one stay apart."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [json_without_paths(item) for item in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = _text(key)
        while name in found:
            name += "'"
        found[name] = json_without_paths(item)
    return found


def _text(text: str) -> str:
    # A path that is all of a text may have spaces in it.
    whole = text.startswith("/") and text.count("/") > 1 and ": " not in text and "\n" not in text
    return f"…/{PurePosixPath(text).name}" if whole and text.count("/") > 2 else without_paths(text)


def html_without_paths(page: str, folders: list[Path]) -> str:
    """A report's page: its text, the tables in it, and in its markup what lies in one of the `folders`."""
    page = _TABLE.sub(_table, page)
    parts, start = [], 0
    for markup in _MARKUP.finditer(page):
        text = without_paths(_outside(page[start : markup.start()], folders))
        parts += [text, _without(markup[0], folders)]
        start = markup.end()
    return "".join([*parts, without_paths(_outside(page[start:], folders))])


def _table(match: re.Match[str]) -> str:
    table = base64.b64decode(match[0]).decode()
    return base64.b64encode(without_paths(table).encode()).decode()


def _without(markup: str, folders: list[Path]) -> str:
    """A tag, a style or a script: none of the folders, but in a file that is embedded in it."""
    parts, start = [], 0
    for embedded in _EMBEDDED.finditer(markup):
        parts += [_of_tag(markup[start : embedded.start()], folders), embedded[0]]
        start = embedded.end()
    return "".join([*parts, _of_tag(markup[start:], folders)])


def _of_tag(markup: str, folders: list[Path]) -> str:
    return _READ.sub(lambda match: without_paths(match[0]), _outside(markup, folders))


def _outside(text: str, folders: list[Path]) -> str:
    """A text in which each of the folders, spaces in it or not, is "…"."""
    for folder in sorted({str(folder) for folder in folders}, key=len, reverse=True):
        if len(folder) > 1:
            text = re.sub(rf"""(?<![\w.~…-]){re.escape(folder)}(?=[/"'\s<]|$)""", "…", text)
    return text


def cleaner(path: Path, folders: list[Path]) -> Callable[[str], str] | None:
    """What makes the text of a file fit for a site; None for pictures, which are copied as they are."""
    if path.suffix == ".html":
        return lambda page: html_without_paths(page, folders)
    return (lambda text: without_paths(_outside(text, folders))) if path.suffix in (".csv", ".md") else None
