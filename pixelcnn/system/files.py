"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pixelcnn.system.errors import UserError
from pixelcnn.system.processes import process_alive


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` if the block ends well, else is removed.

    What a killed process of this host left of the same file is removed, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept because writers such as numpy and matplotlib go by it.
    start = f".{path.stem}.{platform.node()}-"
    temporary = path.with_name(f"{start}{os.getpid()}{path.suffix}")
    for left in path.parent.glob(f"{glob.escape(start)}*{glob.escape(path.suffix)}"):
        pid = left.name.removeprefix(start).removesuffix(path.suffix)
        if pid.isdigit() and not process_alive(int(pid)):
            left.unlink(missing_ok=True)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())  # else a power cut may leave the new name with nothing in it
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: if it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot read it: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: damaged, not valid JSON: {error}") from error


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
