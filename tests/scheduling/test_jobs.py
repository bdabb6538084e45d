"""What jobs are for and what they ask a scheduler for, without a scheduler."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.toy import SMALL, toy

from pixelcnn.cli import main
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import commands, estimates, gpus, packs
from pixelcnn.scheduling.jobs import PACK, Jobs
from pixelcnn.scheduling.kinds import KINDS, OF_A_RUN
from pixelcnn.scheduling.planning import load_resolved
from pixelcnn.system.errors import UserError
from pixelcnn.tuning.trials import trials_of

RULES = Path(__file__).resolve().parents[2] / "workflow" / "rules"
COND = {"toy": {"source": "toy_data.py", "levels": 4}, "more": {"source": "toy_data.py", "levels": 3}}


@pytest.fixture(autouse=True)
def _where_the_files_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def jobs_of(folder: Path, *, gpus: int = 0, **overrides) -> Jobs:
    benchmark = load_resolved(toy(folder, **overrides))
    return Jobs(benchmark, benchmark.runs(), gpus)


def run_names(runs) -> list[str]:
    return [run.name for run in runs]


def test_a_job_is_for_the_runs_that_its_wildcards_name(tmp_path):
    jobs = jobs_of(tmp_path, datasets=COND, jobs={"runs_per_job": 3})
    run = {"dataset": "more", "variant": "cond", "seed": "1"}
    assert run_names(jobs.runs_of(run)) == ["more/cond/seed1"]
    assert run_names(jobs.runs_of({"dataset": "more", "variant": "cond"})) == [
        "more/cond/seed0",
        "more/cond/seed1",
    ]
    assert len(jobs.runs_of({"dataset": "toy"})) == 4
    assert run_names(jobs.runs_of({"pack": "2"})) == ["more/cond/seed0", "more/cond/seed1"]
    assert run_names(jobs.runs_of({"pack": "1"})) == ["toy/cond/seed1", "more/base/seed0", "more/base/seed1"]
    assert [jobs.mark_of(run).name for run in jobs.runs_of({"pack": "1"})] == ["1.done"] * 3


def test_seeds_that_are_trained_at_once_are_in_one_pack(tmp_path):
    jobs = jobs_of(tmp_path, seeds=[0, 1, 2], jobs={"seeds_per_job": 2})
    assert [[run.seed for run in pack] for pack in jobs.packs] == [[0, 1], [2]] * 2
    run = {"dataset": "toy", "variant": "base"}
    assert jobs.trained_with({**run, "seed": "1"}) == ["--with", "0"]
    assert jobs.trained_with({**run, "seed": "2"}) == []
    assert [jobs.mark_of(run).name for run in jobs.runs][:3] == ["0.done", "0.done", "1.done"]
    wider = jobs_of(tmp_path, seeds=[0, 1, 2], jobs={"seeds_per_job": 2, "runs_per_job": 3})
    assert [len(pack) for pack in wider.packs] == [3, 3]
    uneven = jobs_of(tmp_path, seeds=[0, 1, 2], jobs={"seeds_per_job": 3, "runs_per_job": 4})
    assert [len(pack) for pack in uneven.packs] == [3, 3], "no group is torn"
    single = jobs_of(tmp_path)
    assert single.packs == [] and single.trained_with({**run, "seed": "0"}) == []


def test_what_a_job_reads_beside_the_plan(tmp_path):
    base = {"model": "pixelcnn", "hyperparameters": SMALL}
    jobs = jobs_of(
        tmp_path,
        datasets={**COND, "ready": {"source": "mnist5k", "levels": 4}},
        variants={"base": base, "judged": {**base, "conditional": True}},
        jobs={"runs_per_job": 4},
    )
    base, judged = ({"dataset": "toy", "variant": variant, "seed": "0"} for variant in ("base", "judged"))
    folder = folder_of(jobs.benchmark)
    assert not jobs.read("classify", base), "nobody judges samples that were not asked to show a label"
    assert list(jobs.read("classify", judged)) == [folder.dataset("toy").classifier]
    assert list(jobs.read("prepare", {"pack": "1"})) == [folder.dataset("more").data]


def test_a_report_waits_for_the_results_of_every_run_or_for_the_packs(tmp_path):
    single, packed = jobs_of(tmp_path), jobs_of(tmp_path, jobs={"runs_per_job": 3})
    names = Counter(path.name for path in single.read_by_report())
    assert names == {"metrics.json": 4, "samples.npz": 4, "analysis.json": 4, "cost.json": 2}
    assert [path.name for path in packed.read_by_report()] == ["0.done", "1.done", "cost.json", "cost.json"]


def test_what_is_tried_again_asks_for_more_unless_it_goes_on_or_the_config_says_how_much(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = {"evaluate": {"memory_mb": 3000}, "sample": {"minutes": 7}}
    path = str(toy(tmp_path, jobs=asked))
    assert main(["plan", path]) == 0 and main(["prepare", path]) == 0
    jobs = jobs_of(tmp_path, jobs=asked)
    run = {"dataset": "toy", "variant": "base", "seed": "0"}
    first, third = (
        {kind: jobs.minutes(kind, run, attempt) for kind in asked | {"train": 0, "analyse": 0}}
        for attempt in (1, 3)
    )
    assert third == first | {"evaluate": 3 * first["evaluate"], "analyse": 3 * first["analyse"]}
    assert first["sample"] == 7
    assert [jobs.memory_mb("evaluate", attempt) for attempt in (1, 3)] == [3000, 3000]
    assert [jobs.memory_mb("train", attempt) for attempt in (1, 3)] == [6000, 18000]


def test_a_pack_asks_for_what_its_runs_need_so_many_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    minutes = {kind: {"minutes": 10, "memory_mb": 1000} for kind in OF_A_RUN}
    shape = {"runs_per_gpu": 2, "jobs": {"runs_per_job": 4, **minutes}}
    alone, shared = jobs_of(tmp_path, **shape), jobs_of(tmp_path, gpus=1, **shape)
    assert (packs.at_once(alone.benchmark, 0), packs.at_once(shared.benchmark, 1)) == (1, 2)
    assert [jobs.minutes(PACK, {"pack": "0"}, attempt=2) for jobs in (alone, shared)] == [160, 80]
    assert [jobs.memory_mb(PACK, attempt=2) for jobs in (alone, shared)] == [1000, 2000]
    guessed = jobs_of(tmp_path, gpus=1, runs_per_gpu=8, jobs={"runs_per_job": 4})
    assert guessed.memory_mb(PACK, attempt=2) == 4 * 2 * estimates.MEMORY_MB


def test_what_would_not_reach_the_runs_inside_a_pack_is_refused(tmp_path):
    benchmark = jobs_of(tmp_path, jobs={"runs_per_job": 2}).benchmark
    packs.refuse_forced(benchmark, {"measure", "report"})
    with pytest.raises(UserError, match=r"forcing analyse, train .*'jobs=\{runs_per_job: 1\}'"):
        packs.refuse_forced(benchmark, {"train", "analyse", "report"})


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The files by which a machine says that it has three GPUs, and a torch that is built for them."""
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl"):
        (tmp_path / name).touch()
    (tmp_path / "version.py").write_text(
        "cuda: Optional[str] = '13.2'\nhip: Optional[str] = None\n", encoding="utf-8"
    )
    return {"devices": tmp_path, "torch": tmp_path}


@pytest.mark.parametrize(
    ("device", "visible", "found"),
    [
        ("auto", None, 3),
        ("auto", "0,1", 2),
        ("auto", " 2 , 0", 2),
        ("auto", "", 0),
        ("auto", "-1", 0),
        ("auto", "NoDevFiles", 0),  # SLURM says so to a job that asked for none
        ("auto", "1,-1,2", 1),
        ("auto", "0,3,1", 1),
        ("auto", "0,1,0", 0),
        ("auto", "GPU-5a,GPU-5b,1,GPU-5c", 2),
        ("auto", "MIG-1,MIG-2,MIG-3,MIG-4", 4),
        ("auto", "MIG-1,GPU-5a", 1),
        ("cpu", "0,1", 0),
        ("cpu", None, 0),
    ],
)
def test_gpus_are_counted_as_cuda_counts_them(tmp_path, machine, device, visible, found):
    benchmark = load_resolved(toy(tmp_path, device=device))
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert gpus.here(benchmark, environment, **machine) == found


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("__version__ = '2.15.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n", 0),
        ("__version__ = '2.4.0+cpu'\ncuda = None\n", 0),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.2'\n", 3),
        ("cuda = '12.1'\n", 3),
        ("of another form\n", 3),
        (None, 3),
    ],
)
def test_torch_that_is_built_for_the_cpu_has_no_gpus(tmp_path, machine, version, found):
    (tmp_path / "version.py").unlink() if version is None else (tmp_path / "version.py").write_text(
        version, encoding="utf-8"
    )
    benchmark = load_resolved(toy(tmp_path))
    assert gpus.here(benchmark, {}, **machine) == found
    assert gpus.here(benchmark, {"CUDA_VISIBLE_DEVICES": "GPU-5a"}, **machine) == min(found, 1)


def test_the_installed_torch_is_looked_at_without_being_imported():
    code = (
        "import sys; from pixelcnn.scheduling.gpus import torch_uses_gpus; found = torch_uses_gpus();"
        "assert 'torch' not in sys.modules; import torch;"
        "assert found == any((torch.version.cuda, torch.version.hip)), found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_how_many_gpus_a_job_asks_for_is_decided_once(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "torch_uses_gpus", lambda folder: True)
    benchmark = load_resolved(toy(tmp_path))
    login = {"CUDA_VISIBLE_DEVICES": "GPU-5a"}
    assert gpus.of_a_job(benchmark, login) == 1
    assert gpus.of_a_job(benchmark, {**login, "CUDA_VISIBLE_DEVICES": ""}) == 1, "on a node that sees none"
    assert gpus.of_a_job(benchmark, {"CUDA_VISIBLE_DEVICES": ""}) == 0
    asked = load_resolved(toy(tmp_path, jobs={"gpus": 2}))
    assert gpus.of_a_job(asked, {"CUDA_VISIBLE_DEVICES": ""}) == 2
    assert gpus.of_a_job(load_resolved(toy(tmp_path, device="cuda")), {"CUDA_VISIBLE_DEVICES": ""}) == 1


def test_every_kind_of_job_has_its_rule_which_asks_for_what_is_its_own():
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.smk")))
    rules = dict(re.findall(r"(?ms)^rule (\w+):\n(.*?)(?=^\S|\Z)", text))
    assert set(KINDS) <= set(rules)
    for name, kind in KINDS.items():
        asked = {"plan_for": name, "shell_command": name}
        if kind.work:
            asked |= {"memory_of": name, "minutes_of": name}
        found = re.findall(r'\b(plan_for|memory_of|minutes_of|shell_command)\(\s*"(\w+)"', rules[name])
        assert dict(found) == asked and len(found) == len(asked), name
        assert re.search(rf'FOLDER\.log\(\s*"{name}"', rules[name]), name


def test_a_command_can_be_copied_from_a_log_and_run_by_hand(tmp_path, monkeypatch):
    python = tmp_path / "a {python}"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(commands, "PIXELCNN", [str(python), "-m", "pixelcnn"])
    line = commands.shell_command("measure", "--seed {params.seed}")
    shown = line.replace("{input.config:q}", "'my config'").replace("{log:q}", "'my log'")
    shown = re.sub(r"\{(?:wildcards|params)\.(\w+)\}", r"the-\1", shown).replace("{{", "{").replace("}}", "}")
    subprocess.run(shown, shell=True, check=True, cwd=tmp_path)
    words = (tmp_path / "my log").read_text(encoding="utf-8").splitlines()
    assert words == shlex.split(
        "-m pixelcnn measure 'my config' --dataset the-dataset --variant the-variant --seed the-seed"
    )


def test_the_runs_of_a_tuning_are_trials_in_packs_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tuning = {"seeds": [9], "trials": 2, "space": {"training.batch_size": {"choices": [4]}}}
    minutes = {"train": {"minutes": 10}, "evaluate": {"minutes": 1000}}
    of = jobs_of(tmp_path, tuning=tuning, jobs={"runs_per_job": 3, **minutes}).benchmark
    jobs = Jobs(trials_of(of), trials_of(of).runs(), gpus=0)
    names = [run.name for run in jobs.runs]
    assert names == [f"toy/{name}.t0{n}/seed9" for name in ("base", "cond") for n in (0, 1)]
    made = packs.results(jobs.benchmark, jobs.packs[0])
    assert made == [folder_of(jobs.benchmark).path / name / "trial.json" for name in names[:3]]
    assert jobs.minutes(PACK, {"pack": "0"}, attempt=1) == 30, "what the config says of trainings"
    assert jobs.read("classify", {"pack": "1"}) == {}, "no sample of a conditional trial is judged"
    assert set(jobs.read_by_tune()) == {folder_of(jobs.benchmark).pack(n) for n in (0, 1)}
