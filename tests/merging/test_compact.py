"""A compact folder gives the report of the whole without what weighs most; weights are never lost by it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from merging.conftest import Places, changed, tables
from support.reports import no_figures

from pixelcnn.cli import main
from pixelcnn.config.reading import load_planned
from pixelcnn.merging.joining import merge
from pixelcnn.report.collect import Status, collect
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.system.errors import UserError

#: What no compact folder has.
HEAVY = ("checkpoint.pt", "data.npz", "epoch00001.png")


@pytest.fixture
def heavy(places: Places) -> Places:
    """What only large benchmarks have: checkpoints that weigh, and pictures drawn while training."""
    for folder in (folder_of(places.whole).path, places.first, places.second):
        for run in BenchmarkFolder(folder).runs():
            run.checkpoint.write_bytes(bytes(100_000))
            for picture in (run.picture(1), run.attempt.picture(1)):
                picture.parent.mkdir(parents=True, exist_ok=True)
                picture.write_bytes(bytes(10_000))
            changed(run.record_file, host="host")
    return places


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def reported(folder: Path) -> dict[str, bytes]:
    """The tables of the report, as its command writes them."""
    with no_figures():
        assert main(["report", str(folder)]) == 0
    return {path.name: path.read_bytes() for path in BenchmarkFolder(folder).report.tables[1:]}


def headings(folder: Path) -> list[str]:
    text = BenchmarkFolder(folder).report.text.read_text(encoding="utf-8")
    return re.findall(r"^#+ .*|^!\[.*?\]", text, re.MULTILINE)


def test_one_folder_alone_carries_its_whole_report(
    heavy: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = folder_of(heavy.whole).path
    with pytest.raises(UserError, match=f"expected at least two folders to merge, got {whole}"):
        merge([whole], heavy.into)
    with pytest.raises(UserError, match="expected another folder to take from"):
        merge([heavy.into], heavy.into, compact=True)
    assert main(["merge", str(whole), "--into", str(heavy.into), "--compact"]) == 0
    (said,) = capsys.readouterr().err.splitlines()
    numbers = [float(number) for number in re.findall(r"([0-9.]+) MB", said)]
    assert numbers == [round(size(folder) / 1e6, 1) for folder in (heavy.into, whole)]
    assert "it has not taken checkpoint.pt, pictures" in said and "`pixelcnn prepare" in said
    assert size(heavy.into) < size(whole) / 3 and not names(heavy.into) & set(HEAVY)
    assert names(whole) - names(heavy.into) == set(HEAVY), "nothing else is left out"
    expected = reported(whole)
    # Without the images nobody knows the commonest class, which a claim is held against.
    without, findings = reported(heavy.into), "findings.csv"
    assert {**without, findings: expected[findings]} == expected != without
    page = BenchmarkFolder(heavy.into).report.page
    assert "its prepared images are not here" in page.read_text(encoding="utf-8")
    data = BenchmarkFolder(heavy.into).dataset("digits").data
    shutil.copy(BenchmarkFolder(whole).dataset("digits").data, data)  # as `prepare` makes it anew
    assert reported(heavy.into) == expected and headings(heavy.into) == headings(whole)
    assert "its prepared images are not here" not in page.read_text(encoding="utf-8")
    assert main(["publish", str(heavy.into), "--site", str(tmp_path / "site")]) == 0


def test_compact_halves_are_merged_again_compact_or_with_a_whole_one(heavy: Places, tmp_path: Path) -> None:
    halves = [tmp_path / "small" / name / "toy" for name in ("first", "second")]
    for half, into in zip((heavy.first, heavy.second), halves, strict=True):
        merge([half], into, compact=True)
    merge(halves, heavy.into)
    merge([heavy.first, halves[1]], tmp_path / "mixed" / "toy", compact=True)
    expected = tables(folder_of(heavy.whole).path)
    for folder in (heavy.into, tmp_path / "mixed" / "toy"):
        assert not names(folder) & set(HEAVY)
        for found, one in zip(tables(folder), expected, strict=True):
            pd.testing.assert_frame_equal(found, one, check_exact=True)
    assert all(run.finished for run in collect(heavy.into).runs)
    merge([heavy.first, *halves], heavy.into)  # what was left out comes back
    kept = [run.checkpoint.exists() for run in BenchmarkFolder(heavy.into).runs()]
    assert sum(kept) == 9 and names(heavy.into) >= set(HEAVY)
    again = merge([heavy.first], heavy.into, compact=True)
    taken = f"Of {heavy.first} ({size(heavy.first) / 1e6:.1f} MB) it has not taken checkpoint.pt"
    assert taken in again.weight and f" {size(heavy.into) / 1e6:.1f} MB" in again.weight
    assert [run.checkpoint.exists() for run in BenchmarkFolder(heavy.into).runs()] == kept, "it keeps its own"
    assert BenchmarkFolder(heavy.into).dataset("digits").data.exists()


def test_weights_that_only_a_checkpoint_has_are_not_lost(heavy: Places) -> None:
    without, other = (BenchmarkFolder(heavy.first).run("digits", "pixelcnn", seed) for seed in (0, 1))
    without.metrics_file.unlink()
    changed(other.metrics_file, digest="of another training")
    merged = merge([heavy.first, heavy.second], heavy.into, compact=True)
    for run in (without, other):
        words = "left out, it has no test results yet, and its weights would be lost"
        assert f"{run.path}: {words}" in merged.left
    missing = {run.spec.seed for run in collect(heavy.into).runs if run.status is Status.MISSING}
    assert missing == {0, 1} and len(merged.runs) == 13
    for run in BenchmarkFolder(heavy.second).runs():
        run.metrics_file.unlink()
    with pytest.raises(UserError, match=f"{heavy.second}: no test results there; evaluate a run"):
        merge([heavy.second], heavy.into.with_name("none"), compact=True)


def test_an_exported_model_of_another_training_is_no_finished_run(heavy: Places) -> None:
    merge([heavy.first], heavy.into, compact=True)
    run = BenchmarkFolder(heavy.into).run("digits", "pixelcnn", 0)
    changed(run.metrics_file, digest="of another training")
    found = {run.spec.name: run for run in collect(heavy.into).runs}["digits/pixelcnn/seed0"]
    assert found.status is Status.FAILED and "checkpoint is gone" in found.detail
    digest = load_planned(heavy.into / "config.json").run("digits", "pixelcnn", 0).digest
    assert not run.has_weights(digest)
