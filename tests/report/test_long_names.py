"""The longest names that a config may have fit into the names of files, on a host whose name is as long."""

from __future__ import annotations

import os
import platform

from support.reports import report_of

from benchmarks import made_up
from pixelcnn.config.benchmark import LONGEST_NAME
from pixelcnn.results.folder import folder_of
from pixelcnn.system.files import atomic


def test_a_benchmark_of_the_longest_names_has_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "h" * 64)
    dataset, variant, seed = "d" * LONGEST_NAME, "v" * LONGEST_NAME, 2**63 - 1
    spec = {"source": "digits", "image_size": 14, "levels": 2, "binarize": "threshold"}
    made = made_up.benchmark(
        tmp_path,
        benchmark="b" * LONGEST_NAME,
        datasets={dataset: spec},
        variants={variant: {"model": "pixelcnn", "conditional": True}},
        seeds=[seed],
    )
    made_up.write_all(made)
    figures = report_of(made).folder / "figures"
    assert (figures / f"{dataset}.samples.{variant}.png").exists()
    monkeypatch.setattr(os, "getpid", lambda: 2**22)  # the largest number of a process
    with atomic(figures / f"{dataset}.completions.{variant}.png") as temporary:  # the longest of its names
        temporary.write_bytes(b"")
    log = folder_of(made).log("evaluate", dataset, variant, f"seed{seed}")
    log.parent.mkdir(parents=True)
    log.write_text("as the rules of the workflow name it", encoding="utf-8")
