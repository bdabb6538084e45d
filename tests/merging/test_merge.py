"""Two halves give the report of the whole, number by number; what does not belong together is refused."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from merging.conftest import Places, changed, part, tables

from benchmarks import made_up
from pixelcnn.cli import main
from pixelcnn.config.reading import load_planned
from pixelcnn.config.tuning import Dimension, TuningSpec
from pixelcnn.merging.joining import merge
from pixelcnn.report import provenance
from pixelcnn.report.collect import collect
from pixelcnn.report.compare import rank
from pixelcnn.report.progress import mean_over_seeds, trained_curves
from pixelcnn.results.folder import BenchmarkFolder, folder_of
from pixelcnn.scheduling.freshness import is_current
from pixelcnn.system.errors import UserError
from pixelcnn.system.files import write_json


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


def test_two_halves_give_the_report_of_the_whole(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(places.first), contents(places.second)
    assert main(["merge", str(places.first), str(places.second), "--into", str(places.into)]) == 0
    said = capsys.readouterr()
    assert "from host (cpu): seeds 0-4 of independent, pixelcnn, gated-conditional, 15 runs" in said.out
    assert not said.err, "nothing was left"
    assert (contents(places.first), contents(places.second)) == before
    whole, merged = tables(folder_of(places.whole).path), tables(places.into)
    for expected, found in zip(whole, merged, strict=True):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
        assert len(expected) > 2
    benchmark = load_planned(places.into / "config.json")
    assert folder_of(benchmark).path == places.into
    for run in benchmark.runs():
        assert is_current("train", benchmark, [run]) and folder_of(benchmark).run_of(run).checkpoint.is_file()
    data = [BenchmarkFolder(place).dataset("digits").data for place in (places.first, places.into)]
    assert data[0].read_bytes() == data[1].read_bytes()
    assert is_current("measure", benchmark, benchmark.runs()[:5]), "nothing is to be made again"
    once = contents(places.into)
    merge([places.first, places.second], places.into)
    assert contents(places.into) == once, "to merge twice changes nothing"
    assert not list(places.into.parent.glob(".*")), "nothing is left beside"


def test_costs_are_never_pooled_over_machines(places: Places) -> None:
    for path in places.second.glob("*/*/seed*/record.json"):
        changed(path, host="slow", training_seconds=1e6, wall_seconds=1e6, peak_memory_bytes=10**12)
        lines = [
            json.loads(line)
            for line in (path.parent / "history.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        slow = [json.dumps({**line, "seconds": 1e6 + line["seconds"]}) + "\n" for line in lines]
        (path.parent / "history.jsonl").write_text("".join(slow), encoding="utf-8")
    alone = tables(places.first)[0].set_index("variant")
    merge([places.second, places.first], places.into)
    both = tables(places.into)[0].set_index("variant")
    costs = [f"{key}_{part}" for key in ("training_seconds", "wall_seconds") for part in ("mean", "sd", "n")]
    costs += ["images_per_second_mean", "peak_memory_bytes_mean"]
    pd.testing.assert_frame_equal(both[costs].sort_index(), alone[costs].sort_index())
    assert (both["comparable_nll_n"] == 5).all()
    collected = collect(places.into)
    facts = {fact.label: fact.values for fact in provenance.facts(collected)}
    assert "host (cpu): seeds 0-2 of independent, pixelcnn, gated-conditional, 9 runs" in facts["machines"][0]
    assert "slow (cpu): seeds 3-4 of independent, pixelcnn, gated-conditional, 6 runs" in facts["machines"][0]
    assert [words.partition(" on ")[2] for words in facts["training, all runs"]] == [
        "host (cpu)",
        "slow (cpu)",
    ]
    said = " ".join(provenance.mixtures(collected.datasets[0]))
    assert "not pooled over machines. They are those of the runs on host (cpu), which has most." in said
    curves = [trained_curves(result) for result in rank(collected.datasets[0])]
    assert all(mean_over_seeds(own)[0].seconds.max() < 1e4 for own in curves), "seconds of the first machine"
    assert all(len(own) == 5 for own in curves), "but the NLL of all"


def other_data(places: Places) -> None:
    spec = places.whole.datasets["digits"]
    data = BenchmarkFolder(places.second).dataset("digits").data
    with np.load(data) as file:
        arrays = {**file, "description": np.array(json.dumps({"sha256": made_up.data_sha256(spec)[::-1]}))}
    np.savez_compressed(data, **arrays)


def data_of_a_run(places: Places) -> None:
    BenchmarkFolder(places.second).dataset("digits").data.unlink()
    changed(places.second / "digits/pixelcnn/seed4/metrics.json", data_sha256="beef")


def other_recipe(places: Places) -> None:
    config = load_planned(places.second / "config.json")
    recipe = replace(config.training, learning_rate=0.5)
    write_json(places.second / "config.json", replace(config, training=recipe).to_json())


def other_code(places: Places) -> None:
    for place, code in ((places.first, "aaaa"), (places.second, "bbbb")):
        for seed in place.glob("digits/pixelcnn/seed*/record.json"):
            changed(seed, code=code)


def other_name(places: Places) -> None:
    changed(places.second / "config.json", benchmark="mine")


def another_training(places: Places) -> None:
    part(places.whole, places.second.parent / "again", (2, 3, 4))
    for path in places.second.glob("*"):
        path.rename(path.with_name(f"{path.name}.old"))
    for path in (places.second.parent / "again").glob("*"):
        path.rename(places.second / path.name)
    changed(places.second / "digits/pixelcnn/seed2/record.json", run_id="another")


REFUSED = [
    (other_data, ["datasets.digits: SHA-256"]),
    (data_of_a_run, ["pixelcnn/seed4", "data_sha256 is", "'beef' in the second"]),
    (other_recipe, ["digits/independent", "training.learning_rate: 0.02 in the first, 0.5 in the second"]),
    (
        other_code,
        ["pixelcnn/seed0", "pixelcnn/seed3", "code that trained it is 'aaaa'", "'bbbb' in the second"],
    ),
    (other_name, ['benchmark is "toy" in the first and "mine" in the second']),
    (another_training, ["pixelcnn/seed2/record.json", "run_id is", '"another" in the second']),
]


@pytest.mark.parametrize(("spoil", "words"), REFUSED, ids=[spoil.__name__ for spoil, _ in REFUSED])
def test_what_does_not_belong_together_is_refused_by_name(places, spoil, words) -> None:
    spoil(places)
    with pytest.raises(UserError) as refusal:
        merge([places.first, places.second], places.into)
    assert all(word in str(refusal.value) for word in [*words, str(places.first), str(places.second)])
    assert not places.into.parent.exists(), "nothing was written"


def test_what_is_not_finished_is_told_and_looks_add_up(places: Places) -> None:
    run = BenchmarkFolder(places.second).run("digits", "pixelcnn", 4)
    changed(run.record_file, status="failed", error="no memory")
    stopped = BenchmarkFolder(places.second).run("digits", "pixelcnn", 3)
    changed(stopped.record_file, status="interrupted")
    for one in (run, stopped):
        one.state("0123").write_bytes(b"state")
    for place in (places.first, places.second):
        tables(place)
    merged = merge([places.first, places.second], places.into)
    assert any("pixelcnn/seed3" in line and "state-0123.pt" in line for line in merged.left)
    assert any("pixelcnn/seed3" in line and "interrupted" in line for line in merged.left)
    folder = BenchmarkFolder(places.into)
    assert not list(places.into.rglob("state-*")) and not folder.run("digits", "pixelcnn", 3).path.exists()
    assert tables(places.into)[2].query("status == 'failed'")["detail"].tolist() == ["no memory"]
    looks = json.loads(folder.looks.read_text(encoding="utf-8"))["digits"]
    assert [len(look["independent"]) for look in looks] == [3, 2, 5], "two looks at a half, then this one"


def test_a_folder_that_is_no_merge_is_not_written_over(places: Places) -> None:
    kept = contents(folder_of(places.whole).path)
    for into, words in (
        (folder_of(places.whole).path, "came from no merge"),
        (places.first / "inside", "one lies within the other"),
    ):
        with pytest.raises(UserError, match=words):
            merge([places.first, places.second], into)
    assert contents(folder_of(places.whole).path) == kept


def test_a_plan_that_says_less_and_a_merge_that_was_killed_hinder_nothing(places: Places) -> None:
    plan = BenchmarkFolder(places.second).plan
    changed(plan, digits={name: {} for name in places.whole.variants})  # as before `baseline` was written
    merge([places.first, places.second], places.into)
    assert BenchmarkFolder(places.into).plan.read_bytes() == BenchmarkFolder(places.first).plan.read_bytes()
    once = contents(places.into)
    gone = places.into.with_name(f".{places.into.name}.{platform.node()}-{2**22 + 1}-before")
    places.into.rename(gone)  # killed between its two renames
    merge([places.first], places.into)
    assert contents(places.into) == once and not gone.exists()
    changed(plan, digits={name: {"baseline": True} for name in places.whole.variants})
    with pytest.raises(UserError, match=r"pixelcnn\.baseline is false in the first and true"):
        merge([places.first, places.second], places.into)


def test_costs_are_of_the_machine_whose_trainings_are_shown(places: Places) -> None:
    shutil.rmtree(places.second)
    part(places.whole, places.second, (3, 4, 5), host="a")
    for place, host in ((places.first, "host"), (places.second, "a")):
        for path in place.glob("*/*/cost.json"):
            changed(path, host=host, device="cpu")
    for path in places.first.glob("*/*/seed2"):
        shutil.rmtree(path)
    merge([places.first, places.second], places.into)
    for path in places.into.glob("*/*/cost.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["host"] == "a", "as many runs: the first by name"


def test_a_merge_into_an_earlier_one_keeps_every_file_that_is_not_its_own(places: Places) -> None:
    merge([places.first, places.second], places.into)
    own = [places.into / "lab" / "deep" / "notes.txt", places.into / "digits" / "pixelcnn" / "mine.pxc"]
    for path in [*own, places.into / "lab" / "other.txt"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine", encoding="utf-8")
    before = contents(places.into)
    merge([places.first], places.into)
    assert contents(places.into).keys() == before.keys() and all(path.exists() for path in own)


def test_a_link_is_no_place_to_merge_into(places: Places) -> None:
    merge([places.first, places.second], places.into)
    link = places.into.with_name("link")
    link.symlink_to(places.into)
    with pytest.raises(UserError, match="is a link; name the folder itself"):
        merge([places.first], link)
    assert link.is_symlink()


def test_another_classifier_is_told_and_a_damaged_plan_is_left(places: Places) -> None:
    for place in (places.first, places.second):
        for path in BenchmarkFolder(place).dataset("digits").classified:
            path.write_bytes(place.name.encode())
    BenchmarkFolder(places.second).plan.write_text("[]", encoding="utf-8")
    merged = merge([places.first, places.second], places.into)
    assert [line for line in merged.left if "judged by another classifier" in line]
    assert BenchmarkFolder(places.into).plan.is_file()


def test_what_was_to_be_tuned_is_no_reason_to_refuse(places: Places) -> None:
    def to_be_tuned(place: Path, variant: str) -> None:
        space = {"training.learning_rate": Dimension(choices=(0.1,))}
        tuning = TuningSpec(space, seeds=(77,), variants=(variant,))
        config = BenchmarkFolder(place).config
        write_json(config, replace(load_planned(config), tuning=tuning).to_json())

    to_be_tuned(places.first, "pixelcnn")
    to_be_tuned(places.second, "independent")
    merge([places.first, places.second], places.into)
    assert load_planned(BenchmarkFolder(places.into).config).tuning is None
    to_be_tuned(places.second, "pixelcnn")
    merge([places.first, places.second], again := places.into.parent / "again")
    tuning = load_planned(BenchmarkFolder(again).config).tuning
    assert tuning is not None and tuning.variants == ("pixelcnn",)
