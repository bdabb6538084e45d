"""Where MLflow shows the runs, if a server was configured: addresses of its pages, made without asking it."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json


@dataclass(frozen=True)
class Links:
    """The page of the benchmark's runs, and that of each run by the `run_id` of its record."""

    experiment: str | None = None
    runs: dict[str, str] = field(default_factory=dict)


def read_links(directory: Path) -> Links:
    """The addresses by what the tracker noted; none without a server, whose pages others can open, too."""
    try:
        noted = read_json(BenchmarkFolder(directory).tracked)
        server = _public(noted["uri"])
        experiment = f"{server}/#/experiments/{noted['experiment_id']}"
        page = f"{experiment}/runs?{noted['query']}"
        runs = {own: f"{experiment}/runs/{theirs}" for own, theirs in noted["runs"].items()}
    except (UserError, KeyError, TypeError, ValueError):
        return Links()  # nothing tracked yet, or not on a server
    return Links(page, runs)


def _public(uri: str) -> str:
    """A server's address without a user's name and password.

    Raises:
        ValueError: if it is a database, which has no pages.
    """
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{uri} is no server")
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/")
