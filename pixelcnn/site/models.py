"""The trained models of a site: of each variant the one with the lowest validation NLL."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixelcnn.results.exported import description_of
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.site.numbers import Row, planned
from pixelcnn.site.private import json_without_paths
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import sha256

#: Their folder in the site, with one for each benchmark.
MODELS = "models"
#: Bytes that one has at most: a site may lie in a repository, which keeps every state of it for ever.
LARGEST = 2 * 2**20
#: The metric by which the seed is chosen. By that of test images, the chosen one's would be too good.
CHOSEN_BY = "best_valid_nll"

#: Is told a sentence.
Say = Callable[[str], None]


def copy_models(folder: BenchmarkFolder, entry: Row, site: Path, say: Say) -> list[Row]:
    """Copy the models of a benchmark with this entry into a site; returns what numbers.json says of them.

    Baselines and the truth have none. `say` is told of each that is left out, and why.
    """
    baselines, copied = planned(folder, "baseline"), []
    for variant in entry["variants"]:
        dataset, name = variant["dataset"], variant["variant"]
        run = _chosen(entry["runs"], dataset, name)
        if run is None or variant["truth"] or (dataset, name) in baselines:
            continue
        model = folder.run(dataset, name, run["seed"]).model
        if (reason := _unfit(model, run["digest"])) is not None:
            say(f"{model}: left out of the site: {reason}")
            continue
        target = site / _place(entry, dataset, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model, target)
        copied.append(
            {
                "dataset": dataset,
                "variant": name,
                "seed": run["seed"],
                "file": target.relative_to(site).as_posix(),
                "bytes": target.stat().st_size,
                "sha256": sha256(target),
                CHOSEN_BY: run["metrics"][CHOSEN_BY],
            }
        )
    return copied


def _place(entry: Row, dataset: str, variant: str) -> Path:
    """Where in a site a model is: only of several datasets does each have a folder."""
    folder = Path(MODELS, entry["name"], *([dataset] if len(entry["datasets"]) > 1 else []))
    return folder / f"{variant}.safetensors"


def _chosen(runs: list[Row], dataset: str, variant: str) -> Row | None:
    """The finished run with the lowest validation NLL; of several the first seed."""
    place = (dataset, variant, "finished")
    mine = [run for run in runs if (run["dataset"], run["variant"], run["status"]) == place]
    known = [run for run in mine if run["metrics"][CHOSEN_BY] is not None]
    return min(known, key=lambda run: (run["metrics"][CHOSEN_BY], run["seed"]), default=None)


def _unfit(model: Path, digest: str) -> str | None:
    """Why an exported model is none for a site; `digest` is that of the training that it must be of."""
    if not model.is_file():
        return "it is not there; `pixelcnn evaluate` writes it"
    if (size := model.stat().st_size) > LARGEST:
        return f"it has {size:,} bytes, more than {LARGEST:,}"
    try:
        description: dict[str, Any] = description_of(model)
    except UserError as error:
        return str(error).removeprefix(f"{model}: ")
    spec = description["spec"]
    if not isinstance(spec, dict) or spec.get("digest") != digest:
        return "it is of another training; `pixelcnn evaluate` writes it anew"
    # Without the path its spec would be another one, which nothing loads.
    if json_without_paths(description) != description:
        return "it names an absolute path, such as that of a dataset; with a relative one it could be there"
    return None
