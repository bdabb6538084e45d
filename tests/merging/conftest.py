"""A benchmark of five seeds, whole and as two halves that two machines might have run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import made_up
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import collect
from pixelcnn.report.differences import differences_of
from pixelcnn.report.looks import note_looks, read_looks
from pixelcnn.report.pairs import compare_pairs
from pixelcnn.report.seed_mixtures import mix_seeds
from pixelcnn.report.tables import comparison_table, pairs_table, runs_table
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.system.files import write_json


@dataclass(frozen=True)
class Places:
    """The folder of the whole, those of its halves, and where they are merged into."""

    whole: Benchmark
    first: Path
    second: Path
    into: Path


def part(whole: Benchmark, place: Path, seeds: Sequence[int], host: str = "host") -> Path:
    """A copied folder that has only these seeds, trained on a host."""
    shutil.copytree(folder_of(whole).path, place)
    write_json(place / "config.json", replace(whole, seeds=tuple(seeds)).to_json())
    for path in place.glob("*/*/seed*"):
        if int(path.name.removeprefix("seed")) not in seeds:
            shutil.rmtree(path)
        else:
            changed(path / "record.json", host=host)
    return place


def changed(path: Path, **values: object) -> None:
    """Replace entries of a JSON file."""
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **values})


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Those of the report for machines; as a report does, it remembers the look."""
    collected, at = collect(folder), BenchmarkFolder(folder)
    looks, (dataset,) = read_looks(at), collected.datasets
    differences = differences_of(dataset, collected.benchmark, looks)
    pairs = compare_pairs(differences)
    note_looks(at, collected.datasets, looks)
    comparison = comparison_table([(dataset, differences.results, pairs, mix_seeds(differences.results))])
    return comparison, pairs_table([(dataset, pairs)]), runs_table(collected.runs)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Seeds 0-2 here, 3 and 4 there; costs were measured at the first place alone."""
    names = ("independent", "pixelcnn", "gated-conditional")
    whole = made_up.benchmark(
        tmp_path / "whole",
        variants={name: made_up.VARIANTS[name][0] for name in names},
        seeds=[0, 1, 2, 3, 4],
    )
    for run in made_up.write_all(whole):
        (run / "model.safetensors").write_bytes(f"averaged weights of {run.name}".encode())
    first = part(whole, tmp_path / "here" / "toy", (0, 1, 2))
    second = part(whole, tmp_path / "there" / "copied", (3, 4))
    for path in second.glob("*/*/cost.json"):
        path.unlink()
    return Places(whole, first, second, tmp_path / "all" / "toy")
