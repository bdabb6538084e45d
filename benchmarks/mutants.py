"""How many planted faults the tests notice: mutation testing with mutmut.

    make mutants
    python -m benchmarks.mutants [--only evaluation] [--sample 80] [--seed 0] [--processes 2]

Plants one fault after another ("mutants": a changed operator, number, string, argument, ...) in a package and
runs the fast tests of that package, as far as they reach the changed function. A mutant is killed if a test
fails or takes much too long. Those that survive are shown: a better test kills them, or
`tests/equivalent_mutants.yaml` says why they cannot be told from the code as it is; these count apart.

A package with more mutants than `--sample` is tried at as many of them, chosen by a hash of seed and name:
those of a function stay the same while it does. Constants, defaults of fields and the text of docstrings
are not mutated. Everything lies in build/mutants.

What a test file does while it is imported, and what a fixture of a wider scope than one test does, notices no
mutant: mutmut imports once, and counts a fixture for the first test that uses it.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "mutants"
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.yaml"
COPIED = ("pixelcnn", "tests", "benchmarks", "pyproject.toml")
#: A mutant takes much too long beyond (seconds of its tests + 5) · 4.
CONFIG = """\
[mutmut]
source_paths=pixelcnn
also_copy=benchmarks
use_git_change_detection=false
timeout_constant=5
timeout_multiplier=4
only_mutate=
    {files}
pytest_add_cli_args_test_selection=
    {tests}
"""


@dataclass(frozen=True)
class Target:
    """Files that are mutated, and what pytest is told to run."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    every: bool = False


#: The tests of training, but for those that run whole benchmarks, which change the number of threads, what a
#: forked process does not survive, and for those that cost most.
SHORT = "not killed_ and not attention and not gated and not default_recipe"
TRAINING = ("tests/training", "-k", SHORT)
TESTS_OF_STEP = ("average", "optimizers", "recipe", "recipe_of_a_step", "step")
STEP = (*(f"tests/training/test_{name}.py" for name in TESTS_OF_STEP), "-k", SHORT)
TARGETS = {
    "step": Target(
        tuple(f"pixelcnn/training/{m}.py" for m in ("step", "optimizers", "average")), STEP, every=True
    ),
    "training": Target(
        tuple(f"pixelcnn/training/{m}.py" for m in ("loop", "records", "state", "batches")), TRAINING
    ),
    "evaluation": Target(("pixelcnn/evaluation/*.py",), ("tests/evaluation",)),
    "likelihoods": Target(("pixelcnn/likelihoods/*.py",), ("tests/likelihoods",)),
    "statistics": Target(("pixelcnn/statistics/*.py",), ("tests/statistics", "-k", "not cover")),
    "sampling": Target(("pixelcnn/sampling/*.py",), ("tests/sampling",)),
    "data": Target(
        tuple(
            f"pixelcnn/data/{m}.py"
            for m in ("preparation", "images", "prepared", "contract", "raw", "repeated")
        ),
        ("tests/data",),
    ),
}

#: A function and the lines that a mutant takes out (-) and puts in (+).
Change = tuple[str, tuple[str, ...]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="PACKAGE")
    parser.add_argument("--sample", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    equivalent = dict(read_equivalent())
    lines = []
    for name in options.only:
        started = time.monotonic()
        target, folder = TARGETS[name], BUILD / name
        prepare(folder, target)
        known = mutants_of(folder, target)
        chosen = known if target.every else sorted(known, key=lambda m: digest(options.seed, m))
        chosen = chosen if target.every else chosen[: options.sample]
        statuses = run(folder, chosen, options.processes)
        seconds = time.monotonic() - started
        lines.append(f"{summarize(folder, name, len(known), statuses, equivalent)}, {seconds:.0f} s")
        print(lines[-1], flush=True)
    print("", *lines, sep="\n")


def read_equivalent() -> Iterator[tuple[Change, str]]:
    """Every change that is listed as equivalent, with the reason; no lines stand for the whole function."""
    for entry in yaml.safe_load(EQUIVALENT.read_text(encoding="utf-8")):
        for change in entry.get("changes", [""]):
            yield (entry["function"], normal(change.splitlines())), entry["reason"]


def normal(lines: Iterable[str]) -> tuple[str, ...]:
    """The changed lines of a diff, without their indentation."""
    return tuple(
        f"{line[0]} {line[1:].strip()}"
        for line in lines
        if line.startswith(("-", "+")) and not line.startswith(("---", "+++"))
    )


def digest(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()


# ------------------------------------------------------------------------------ a copy to mutate


def prepare(folder: Path, target: Target) -> None:
    """A fresh copy of the code and its tests, with mutmut's config."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mutants").mkdir(parents=True)  # Python forgets a path that is not there when it starts
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    for path in files_of(folder, target):
        path.write_text(without_decorators(path.read_text(encoding="utf-8")), encoding="utf-8")
    files, tests = ("\n    ".join(values) for values in (target.files, target.tests))
    (folder / "setup.cfg").write_text(CONFIG.format(files=files, tests=tests), encoding="utf-8")


def files_of(folder: Path, target: Target) -> list[Path]:
    return sorted(path for pattern in target.files for path in folder.glob(pattern))


def without_decorators(source: str) -> str:
    """The same code with `f = decorator(f)` after a function: mutmut leaves decorated ones alone."""
    lines = source.splitlines()
    module = ast.parse(source)
    bodies = [module.body, *(node.body for node in module.body if isinstance(node, ast.ClassDef))]
    functions = [f for body in bodies for f in body if isinstance(f, ast.FunctionDef) and f.decorator_list]
    for function in sorted(functions, key=lambda f: f.lineno, reverse=True):
        call = function.name
        for decorator in reversed(function.decorator_list):
            call = f"{ast.unparse(decorator)}({call})"
        lines.insert(function.end_lineno or 0, f"{' ' * function.col_offset}{function.name} = {call}")
        del lines[function.decorator_list[0].lineno - 1 : function.lineno - 1]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------ mutmut


def mutants_of(folder: Path, target: Target) -> list[str]:
    """The names of all mutants that mutmut makes of the target."""
    os.chdir(folder)  # where mutmut looks for its config
    names = []
    for path in files_of(folder, target):
        relative = path.relative_to(folder)
        made = mutate_file_contents(str(relative), path.read_text(encoding="utf-8")).mutant_names
        names += [get_mutant_name(relative, name) for name in made]
    return names


def run(folder: Path, names: list[str], processes: int) -> dict[str, str]:
    """How each of these mutants fared."""
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    # With more threads a forked process waits for those that it did not inherit.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "mutants")}
    command = [mutmut, "run", "--max-children", str(processes), *names]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"mutmut failed, see {folder}/log.txt")
    told = subprocess.run(
        [mutmut, "results", "--all", "true"],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    found = dict(line.strip().rsplit(": ", 1) for line in told.stdout.splitlines() if ": " in line)
    return {name: found[name] for name in names}


def change_of(folder: Path, mutant: str) -> tuple[Change, str]:
    """What a mutant changes, and its diff."""
    module, _, name = mutant.rpartition("__mutmut_")[0].rpartition(".")
    _, *names = name.split("ǁ") if "ǁ" in name else name.split("_", 1)  # xǁClassǁmethod or x_function
    diff = get_diff_for_mutant(mutant, path=module.replace(".", "/") + ".py")
    return (".".join([module, *names]), normal(diff.splitlines())), diff


# ------------------------------------------------------------------------------ what came of it


def summarize(
    folder: Path, name: str, known: int, statuses: dict[str, str], equivalent: dict[Change, str]
) -> str:
    """Show the survivors of a package; returns one line of figures."""
    os.chdir(folder)
    changes = {mutant: change_of(folder, mutant) for mutant in statuses}
    told = {m for m, (change, _) in changes.items() if change in equivalent or (change[0], ()) in equivalent}
    killed = {mutant for mutant, status in statuses.items() if status in ("killed", "timeout", "segfault")}
    for mutant in sorted(set(statuses) - killed - told):
        print(f"\n# {mutant}: {statuses[mutant]}\n{changes[mutant][1]}")
    for mutant in sorted(killed & told):
        print(f"\n# {mutant}: listed as equivalent, but {statuses[mutant]}\n{changes[mutant][1]}")
    counted = len(statuses) - len(told)
    dead = len(killed - told)
    slow = Counter(statuses[mutant] for mutant in killed - told)["timeout"]
    return (
        f"{name}: {len(statuses)} of {known} mutants, {len(told)} equivalent, {dead} of {counted} killed "
        f"({slow} by time), {counted - dead} survived, {dead / max(1, counted):.1%}"
    )


if __name__ == "__main__":
    main()
