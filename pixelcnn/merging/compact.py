"""A compact folder: without what results weigh most and no report reads.

The exported model has the averaged weights of a checkpoint, and prepared data are made anew from their
description. The weights of a run without test results are in its checkpoint alone, so it is left where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pixelcnn.merging.sources import Found, Source
from pixelcnn.results.folder import BenchmarkFolder, DatasetFolder, RunFolder
from pixelcnn.system.files import read_json

_RUN, _DATA = RunFolder(Path()), DatasetFolder(Path()).data
#: Of a run, and of an attempt of it.
LEFT_OUT = {_RUN.checkpoint.name, _RUN.pictures_folder.name}


def lightened(run: Found) -> Found:
    """What is taken of a run: of a source that is to be compact not all."""
    if not run.source.compact:
        return run
    kept = {name: path for name, path in run.files.items() if not LEFT_OUT & set(PurePosixPath(name).parts)}
    return replace(run, files=kept)


def with_weights(runs: Mapping[str, Found], left: list[str]) -> Iterator[tuple[str, Found]]:
    """All but those of a compact source that ended well and whose weights would be lost: `left` tells."""
    for name, run in runs.items():
        if not run.source.compact or not run.finished or _has_weights(run):
            yield name, run
        else:
            left.append(f"{run.place}: left out, it has no test results yet, and its weights would be lost")


def _has_weights(run: Found) -> bool:
    """Whether its checkpoint is taken, from an earlier merge, or an exported model of the same training."""
    if _RUN.checkpoint.name in run.files:
        return True
    evaluated = all(path.name in run.files for path in _RUN.evaluated)
    return evaluated and read_json(run.files[_RUN.metrics_file.name]).get("digest") == run.record.digest


def weighed(place: Path, sources: Sequence[Source], into: Path) -> str:
    """A line on the bytes of a compact folder, built at `place`, and of those that it takes from.

    What an earlier merge left in the folder itself stays as it is, and is no source here.
    """
    taken = [source.folder.path for source in sources if source.compact]
    kept, found = _bytes(place), sum(map(_bytes, taken))
    return (
        f"{into}: {kept / 1e6:,.1f} MB. Of {', '.join(map(str, taken))} ({found / 1e6:,.1f} MB) it has not "
        f"taken {_RUN.checkpoint.name}, pictures drawn while training, saved states, logs, and {_DATA.name}, "
        f"which `pixelcnn prepare {BenchmarkFolder(into).config}` makes anew"
    )


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
