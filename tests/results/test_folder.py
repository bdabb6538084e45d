"""The names of everything under `results/` stand in one place, and everything finds it by them."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pixelcnn.config.benchmark import RESERVED_NAMES
from pixelcnn.config.reading import benchmark_from
from pixelcnn.results import folder as layout

ROOT = Path(__file__).resolve().parents[2]
RESULTS = layout.ResultsFolder(Path("results"))
FOLDER = RESULTS.benchmark("b")
RUN = FOLDER.run("d", "v", 0)
FOLDERS = {layout.BenchmarkFolder: FOLDER, layout.DatasetFolder: FOLDER.dataset("d"), layout.RunFolder: RUN}
FOLDERS |= {layout.ReportFolder: FOLDER.report}


def paths_of(kind: type) -> set[Path]:
    """Every path that a folder's object has a name for."""
    return {
        getattr(FOLDERS[kind], name) for name, value in vars(kind).items() if isinstance(value, layout.At)
    }


def names() -> set[str]:
    """The names of all files; a folder's, such as "report", are words of many meanings."""
    paths = set().union(*map(paths_of, FOLDERS)) | {
        FOLDER.cost("d", "v"),
        RESULTS.database,
    }
    return {path.name for path in paths if "." in path.name}


def strings(path: Path) -> Iterator[str]:
    """The string constants of a module, but its docstrings; of rules, which are not Python, all."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        yield from (
            token.string.strip("rbf").strip("\"'") for token in tokens if token.type == tokenize.STRING
        )
        return
    tree = ast.parse(text)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def sources() -> list[Path]:
    found = [*(ROOT / "pixelcnn").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), ROOT / "Snakefile"]
    found += [*(ROOT / "workflow" / "rules").glob("*.smk"), *(ROOT / "workflow" / "scripts").glob("*.py")]
    return [path for path in found if path != Path(layout.__file__)]


def test_no_two_jobs_share_a_log():
    names = ("m", "m-x", "x-g", "g", "x", "g.log")
    jobs = [("train", d, v, "seed0") for d in names for v in names]
    jobs += [("measure", d, v) for d in names for v in names] + [("prepare", d) for d in names]
    logs = {FOLDER.log(*job) for job in [*jobs, ("prepare",), ("plan",), ("report",)]}
    assert len(logs) == len(jobs) + 3
    assert not logs & {path for log in logs for path in log.parents}, "none is the folder of another"


def test_no_other_source_joins_these_names():
    wanted = names()
    assert {"checkpoint.pt", "data.npz", "config.json", "cost.json", ".complete", "mlflow.db"} <= wanted
    named = re.compile(r"(?:^|/)(" + "|".join(map(re.escape, wanted)) + ")$")
    for path in sources():
        found = [text for text in strings(path) if named.search(text)]
        if path.parts[-2:] == ("config", "benchmark.py"):
            found = [text for text in found if text not in RESERVED_NAMES]
        assert not found, f"{path.relative_to(ROOT)} spells out {found}: ask results/folder.py"


def test_the_names_that_a_benchmark_may_not_use_are_those_of_files_and_folders():
    taken = paths_of(layout.BenchmarkFolder) | {FOLDER.report.path}
    taken |= paths_of(layout.DatasetFolder) | {RESULTS.mlflow}
    assert set(RESERVED_NAMES) == {path.name for path in taken if not path.name.startswith(".")}


def test_folders_are_those_of_the_config_and_of_its_runs():
    variants = {"v": {"model": "independent"}}
    config = {"benchmark": "b", "datasets": {"d": {"source": "digits"}}, "variants": variants, "seeds": [3]}
    config["training"] = {"epochs": 1}
    benchmark = replace(benchmark_from({**config, "results": "somewhere"}), resolved=True)
    folder = layout.folder_of(benchmark)
    assert folder.path == Path("somewhere/b")
    assert folder.run_of(benchmark.runs()[0]).path == Path("somewhere/b/d/v/seed3")
    assert str(folder.run("{dataset}", "{variant}", "{seed}").nats).endswith(
        "{dataset}/{variant}/seed{seed}/nats.npz"
    )


def test_runs_are_found_by_the_records_of_their_trainings(tmp_path):
    folder = layout.BenchmarkFolder(tmp_path)
    begun, empty = folder.run("d", "v", 1), folder.run("d", "v", 2)
    for run in (begun, empty):
        run.path.mkdir(parents=True)
    begun.record_file.write_text("{}", encoding="utf-8")
    assert folder.runs() == [begun]


def test_what_is_not_there_is_none_or_empty_and_a_line_half_written_is_no_epoch(tmp_path):
    run = layout.RunFolder(tmp_path)
    assert (run.spec(), run.record(), run.metrics(), run.analysis()) == (None,) * 4
    assert (run.history(), run.pictures()) == ([], {})
    run.history_file.write_text('{"epoch": 1}\n{"epoch": 2', encoding="utf-8")
    assert run.history() == [{"epoch": 1}]
    run.picture(4).parent.mkdir()
    run.picture(4).touch()
    assert run.pictures() == {4: run.picture(4)}


@pytest.mark.parametrize("heavy", ["torch", "numpy"])
def test_a_snakefile_takes_its_paths_at_no_cost(heavy):
    imported = "pixelcnn.results.folder, pixelcnn.scheduling.jobs, pixelcnn.scheduling.hooks"
    code = f"import sys, {imported}; sys.exit({heavy!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
