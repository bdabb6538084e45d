"""Which jobs an edit of the config affects, asked of what real commands have left."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from support.toy import SMALL, toy

from pixelcnn.cli import main
from pixelcnn.data.prepared import load_prepared, save
from pixelcnn.results.folder import folder_of
from pixelcnn.results.records import Cost
from pixelcnn.scheduling.commands import TAKES, WILDCARDS
from pixelcnn.scheduling.freshness import is_current, measured_run, report_is_current
from pixelcnn.scheduling.jobs import PACK, Jobs
from pixelcnn.scheduling.kinds import KINDS as EVERY_KIND
from pixelcnn.scheduling.kinds import OF_A_RUN
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.files import write_json

#: Those of a benchmark that is no tuning.
KINDS = {name: kind for name, kind in EVERY_KIND.items() if name != "trial"}
BASE = {"base": {"model": "pixelcnn", "hyperparameters": SMALL}}
COND = {"model": "gated", "conditional": True, "hyperparameters": SMALL}
TRAINING = {"epochs": 2, "batch_size": 16, "warmup_steps": 2}
AUDIT = {"images": 5}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A toy benchmark of two variants with one run each that is done but for its report."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = str(toy(folder, seeds=[0], audit=AUDIT))
        commands = [["plan", config], ["prepare", config], ["classify", config]]
        for name in ("base", "cond"):
            of_run = [config, "--variant", name, "--seed", "0"]
            commands += [[kind, *of_run] for kind in OF_A_RUN if kind != "sample"]
            commands.insert(-2, ["sample", *of_run, "--also-complete"])
            commands.append(["audit", *of_run])
        for command in commands:
            assert main(command) == 0, command
        benchmark = load_resolved(config)
        for run in benchmark.runs():  # measuring takes seconds, and is tested with the analysis
            write_cost(benchmark, run)
    return folder


def write_cost(benchmark, run) -> None:
    times = {f"{kind}_seconds": [1.0] for kind in ("step", "evaluation", "sampling")}
    numbers = dict.fromkeys(("batch_size", "parameters", "multiply_adds", "sampling_images"), 1)
    made_by = {"digest": run.digest, "device": "cpu", "threads": benchmark.threads, "precision": "float32"}
    cost = Cost(**made_by, **times, **numbers, peak_memory_bytes=None)
    cost.write(folder_of(benchmark).cost(run.dataset_name, run.variant_name))


@pytest.fixture
def here(finished, tmp_path, monkeypatch) -> Path:
    """A copy of it, in which commands would run."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    return folder


def affected(folder: Path, **edit) -> dict[str, int]:
    """How many jobs of each kind have nothing yet, or made it from another config than the edited one."""
    benchmark = load_resolved(toy(folder, **{"seeds": [0], "audit": AUDIT, **edit}))
    jobs = Jobs(benchmark, benchmark.runs(), gpus=0)
    counts: Counter[str] = Counter()
    for name, kind in KINDS.items():
        given = {(run.dataset_name, run.variant_name, str(run.seed))[: TAKES[kind.of]] for run in jobs.runs}
        for values in given:
            wildcards = dict(zip(WILDCARDS, values, strict=False))
            made = kind.made(folder_of(benchmark), jobs.runs_of(wildcards)[0])
            counts[name] += not made.exists() or not jobs.is_current(name, wildcards)
    return {name: count for name, count in counts.items() if count}


ALL = {"prepare": 1, "classify": 1, **dict.fromkeys(OF_A_RUN, 2), "measure": 2, "audit": 2}
ONE_RUN = {**dict.fromkeys(OF_A_RUN, 1), "measure": 1, "audit": 1}


@pytest.mark.parametrize(
    ("edit", "jobs"),
    [
        ({}, {}),
        ({"title": "A new title"}, {}),
        ({"tracking": {"pictures": 0}}, {}),
        ({"jobs": {"runs_per_job": 2}}, {}),
        ({"seeds": [0, 1]}, dict.fromkeys(OF_A_RUN, 2)),
        ({"variants": BASE | {"cond": {**COND, "training": {"epochs": 3}}}}, ONE_RUN),
        ({"variants": BASE | {"cond": {**COND, "conditional": False}}}, ONE_RUN),
        ({"training": {**TRAINING, "learning_rate": 0.001}}, dict.fromkeys(ONE_RUN, 2)),
        ({"sampling": {"images": 3}}, {"sample": 2}),
        ({"sampling": {"images": 4, "completions": 3}}, {"sample": 2}),
        ({"sampling": {"images": 4, "temperature": 0.5}}, {"sample": 2}),
        ({"analysis": {"images": 20}}, {"analyse": 2}),
        ({"analysis": {"samples": 20}}, {"analyse": 1}),  # only conditional runs have samples judged
        ({"threads": 2}, {"measure": 2}),
        ({"audit": {"images": 6}}, {"audit": 2}),
        ({"datasets": {"toy": {"source": "toy_data.py", "levels": 3}}}, ALL),
    ],
)
def test_an_edit_affects_what_was_made_from_it_and_nothing_else(here, edit, jobs):
    assert affected(here, **edit) == jobs


def test_an_edit_of_a_file_of_ones_own_affects_all_that_was_made_from_it(here, monkeypatch):
    from support import toy as source

    original = source.DATASET
    monkeypatch.setattr(source, "DATASET", original + "# a comment\n")
    assert affected(here) == {}
    monkeypatch.setattr(source, "DATASET", original + "edited = True\n")
    assert affected(here) == ALL


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"digest": []}'])
def test_what_does_not_say_what_it_was_made_from_is_not_current(here, content):
    benchmark = load_resolved(toy(here, seeds=[0], audit=AUDIT))
    folder = folder_of(benchmark)
    run = folder.run("toy", "cond", 0)
    for path in (run.spec_file, run.sampled, folder.dataset("toy").classifier_note):
        path.unlink()
        if content is not None:
            path.write_text(content, encoding="utf-8")
    variant = folder.cost("toy", "cond"), folder.audit("toy", "cond")
    for path in (run.metrics_file, run.analysis_file, *variant):
        path.write_text(content or "", encoding="utf-8")
    folder.dataset("toy").data.write_bytes(b"PK")
    cond = [one for one in benchmark.runs() if one.variant_name == "cond"]
    assert [kind for kind in KINDS if is_current(kind, benchmark, cond)] == []
    others = [one for one in benchmark.runs() if one.variant_name == "base"]
    assert all(is_current(kind, benchmark, others) for kind in OF_A_RUN)


def test_a_variant_is_measured_by_the_run_that_measured_it_if_it_is_still_asked_for(here):
    benchmark = load_resolved(toy(here, seeds=[1, 0]))
    runs = [run for run in benchmark.runs() if run.variant_name == "cond"]
    assert is_current("measure", benchmark, runs) and measured_run(benchmark, runs).seed == 0
    assert not is_current("measure", benchmark, runs[:1]) and measured_run(benchmark, runs[:1]).seed == 1
    folder_of(benchmark).cost("toy", "cond").unlink()
    assert measured_run(benchmark, runs).seed == 1


def test_a_pack_is_current_as_long_as_all_of_its_runs_are(here):
    benchmark = load_resolved(toy(here, seeds=[0], jobs={"runs_per_job": 2}))
    jobs = Jobs(benchmark, benchmark.runs(), gpus=0)
    assert jobs.is_current(PACK, {"pack": "0"})
    path = folder_of(benchmark).run("toy", "cond", 0).analysis_file
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"digest": "0"})
    assert not jobs.is_current(PACK, {"pack": "0"})


def test_a_run_that_is_added_to_a_pack_makes_its_mark_untrue(here):
    benchmark = load_resolved(toy(here, seeds=[0], jobs={"runs_per_job": 3}))
    pack = {"pack": "0"}
    mark = folder_of(benchmark).pack(0)
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    assert Jobs(benchmark, benchmark.runs(), gpus=0).is_current(PACK, pack)
    added = load_resolved(toy(here, seeds=[0, 1], jobs={"runs_per_job": 3}))
    assert not Jobs(added, added.runs(), gpus=0).is_current(PACK, pack), "seed 1 of the first is not there"
    mark.unlink()
    assert Jobs(added, added.runs(), gpus=0).is_current(PACK, pack), "what is missing needs no second reason"


def settled(jobs: Jobs) -> set[str]:
    """The kinds of jobs whose results for the conditional run stay as they are."""
    run = next(run for run in jobs.runs if run.variant_name == "cond")
    return {kind for kind in KINDS if jobs.is_settled(kind, run)}


def test_what_is_forced_is_made_anew_with_all_that_is_made_from_it(here):
    benchmark = load_resolved(toy(here, seeds=[0], audit=AUDIT))
    runs = benchmark.runs()
    folder = folder_of(benchmark).run("toy", "cond", 0)
    left = {
        "analyse": set(KINDS) - {"analyse"},
        "evaluate": set(KINDS) - {"evaluate", "audit"},
        "sample": set(KINDS) - {"sample", "analyse"},
        "train": {"prepare", "classify"},
        "prepare": set(),
        str(folder.samples): set(KINDS) - {"sample", "analyse"},
    }
    for forced, kept in left.items():
        assert settled(Jobs(benchmark, runs, 0, lambda forced=forced: {forced})) == kept, forced
    assert settled(Jobs(benchmark, runs, 0)) == set(KINDS)


def test_what_was_made_from_other_images_is_not_current(here):
    benchmark = load_resolved(toy(here, seeds=[0], audit=AUDIT))
    path = folder_of(benchmark).dataset("toy").data
    data = load_prepared(path)
    # Of the same description, such as a folder of one's own to which an image was added.
    save(replace(data, sha256="0" * 64), path)
    cond = [run for run in benchmark.runs() if run.variant_name == "cond"]
    # A file that was drawn says nothing of the images: it is made anew for its training is.
    stays = {kind for kind in KINDS if is_current(kind, benchmark, cond)}
    assert stays == {"prepare", "sample", "measure"}
    assert settled(Jobs(benchmark, benchmark.runs(), 0)) == {"prepare"}


def test_an_exported_model_stands_for_its_checkpoint(here):
    benchmark = load_resolved(toy(here, seeds=[0], audit=AUDIT))
    run = next(run for run in benchmark.runs() if run.variant_name == "cond")
    folder = folder_of(benchmark).run_of(run)
    drawn = folder.samples.read_bytes()
    folder.checkpoint.unlink()
    names = dict(zip(WILDCARDS, (run.dataset_name, run.variant_name, "0"), strict=True))
    jobs = Jobs(benchmark, benchmark.runs(), gpus=0)
    assert settled(jobs) == set(KINDS)
    assert jobs.read("train", names) == jobs.read_to_measure(names) == {}, "nothing to be trained"
    of_run = ["toy.yaml", "--variant", "cond", "--seed", "0"]
    for command in (["evaluate", *of_run], ["sample", *of_run, "--also-complete"], ["analyse", *of_run]):
        assert main(command) == 0
    assert folder.samples.read_bytes() == drawn and not folder.checkpoint.exists()
    weights = folder.model.read_bytes()
    assert main(["train", *of_run]) == 0, "by hand, too"
    assert folder.model.read_bytes() == weights and not folder.checkpoint.exists()
    forced = Jobs(benchmark, benchmark.runs(), 0, lambda: {"train"})
    assert forced.read("train", names) == {folder.checkpoint: False}
    data = folder_of(benchmark).dataset("toy").data
    save(replace(load_prepared(data), sha256="0" * 64), data)
    assert Jobs(benchmark, benchmark.runs(), 0).read("train", names) == {folder.checkpoint: False}
    assert settled(Jobs(benchmark, benchmark.runs(), 0)) == {"prepare"}


def test_what_lacks_a_part_is_not_current(here):
    benchmark = load_resolved(toy(here, seeds=[0], audit=AUDIT))
    cond = [run for run in benchmark.runs() if run.variant_name == "cond"]
    of_a_dataset_or_run = {name: kind for name, kind in KINDS.items() if kind.of != "variant"}
    for name, kind in of_a_dataset_or_run.items():
        for part in kind.makes(folder_of(benchmark), cond[0])[1:]:
            content = part.read_bytes()
            part.unlink()
            assert not is_current(name, benchmark, cond), part
            part.write_bytes(content)
            assert is_current(name, benchmark, cond)


def test_a_training_that_waits_to_replace_one_of_its_spec_makes_that_not_current(here):
    benchmark = load_resolved(toy(here, seeds=[0], audit=AUDIT))
    cond = [run for run in benchmark.runs() if run.variant_name == "cond"]
    run = folder_of(benchmark).run_of(cond[0])
    run.attempt.path.mkdir()
    record = run.record()
    for status, digest, current in (
        ("running", record.digest, True),
        ("finished", "0" * 16, True),
        ("finished", record.digest, False),
    ):
        replace(record, status=status, digest=digest).write(run.attempt.record_file)
        assert is_current("train", benchmark, cond) == current, status


def test_a_report_is_current_if_it_is_whole_and_of_the_records_as_they_are(here):
    benchmark = load_resolved(toy(here, seeds=[0], audit=AUDIT))
    report = folder_of(benchmark).report
    assert report_is_current(benchmark), "what is missing needs no second reason"
    assert main(["report", "results/toy"]) == 0
    assert not report_is_current(benchmark), "a partial one"
    report.whole.touch()
    assert report_is_current(benchmark)
    for record in (
        folder_of(benchmark).config,
        folder_of(benchmark).run("toy", "cond", 0).metrics_file,
        folder_of(benchmark).cost("toy", "base"),
        folder_of(benchmark).audit("toy", "base"),
    ):
        content = record.read_bytes()
        record.write_bytes(content + b" ")
        assert not report_is_current(benchmark), record
        record.write_bytes(content)
    assert report_is_current(benchmark)
