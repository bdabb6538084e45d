"""By which id MLflow's runs of one benchmark's folder are told from those of another.

Folders may share a server and a benchmark's name, and a copied folder shares the ids of its runs, too. So the
id is bound to the place: a folder that is moved or renamed keeps it, a copy gets one of its own.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Mapping
from typing import Any

from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import read_json, write_json


def origin_of(folder: BenchmarkFolder) -> str:
    """The id of a folder, made by the first projection; call it while its tracking lock is held.

    Raises:
        UserError: if the file that holds it is damaged.
    """
    here, known = _place(folder), _read(folder)
    origin = known["id"] if known is not None and _is_the_same(known, here) else uuid.uuid4().hex
    if known != {"id": origin, **here}:
        write_json(folder.origin, {"id": origin, **here})
    return origin


def _place(folder: BenchmarkFolder) -> dict[str, Any]:
    path = folder.path.resolve()
    status = path.stat()
    return {"path": str(path), "host": platform.node(), "device": status.st_dev, "inode": status.st_ino}


def _read(folder: BenchmarkFolder) -> dict[str, Any] | None:
    if not folder.origin.exists():
        return None
    known = read_json(folder.origin)
    if not isinstance(known, dict) or not known.keys() >= {"id", *_place(folder)}:
        raise UserError(f"{folder.origin}: damaged; without it all runs are shown anew")
    return known


def _is_the_same(known: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether a place is the one that a file tells of. A copy of a folder is another inode."""
    # Another machine, or this one after a restart, may number its devices otherwise.
    same_path = known["path"] == here["path"]
    same_disk = (known["host"], known["device"]) == (here["host"], here["device"])
    return bool(known["inode"] == here["inode"] and (same_path or same_disk))
