"""What the command line imports, and what it works without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pixelcnn.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
#: What takes time to import, or is not installed everywhere.
HEAVY = {"torch", "numpy", "pandas", "matplotlib", "scipy", "mlflow", "pydantic", "snakemake", "yaml"}


def test_help_shows_every_command_in_one_line_and_imports_nothing_heavy():
    code = "import sys; from pixelcnn.cli import main; print(main(['--help']), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    *lines, end = done.stdout.splitlines()
    status, *modules = end.split()
    assert status == "0" and HEAVY.isdisjoint(modules)
    listed = [line.split(maxsplit=1) for line in lines[lines.index("Commands:") + 1 :]]
    assert [name for name, _ in listed] == list(COMMANDS)
    assert all(words.endswith(".") and not words.endswith("..") for _, words in listed), "cut off"


def test_the_library_imports_neither_snakemake_nor_mlflow_to_train(folder):
    """As on a bare GPU machine, which has torch and little else."""
    absent = ["snakemake", "mlflow", "pydantic", "mlxtend", "yaml", "pandas", "seaborn", "scipy"]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({absent}))"
    main(["plan", "toy.yaml"])
    run = ["results/toy/config.json", "--variant", "cond", "--seed", "0"]
    of_the_run = [[command, *run] for command in ("train", "evaluate", "sample", "analyse", "measure")]
    commands = [["prepare", run[0]], ["classify", run[0]], *of_the_run]
    code = f"{blocked}; from pixelcnn.cli import main; print([main(c) for c in {commands}])"
    env = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stdout.splitlines()[-1] == str([0] * 7), done.stderr
