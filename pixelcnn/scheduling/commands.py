"""The commands of jobs, as lines that can be copied from a log and run by hand."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pixelcnn.scheduling import gpus
from pixelcnn.scheduling.kinds import KINDS

#: The interpreter that runs Snakemake has the package, whether or not it is on the PATH.
PIXELCNN = [sys.executable, "-m", "pixelcnn"]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
#: The wildcards that name what a job is for: as many of them as its kind takes.
WILDCARDS = ("dataset", "variant", "seed")
TAKES = {"dataset": 1, "variant": 2, "run": 3}


def shell_command(kind: str, *options: str) -> str:
    """The line for a rule of this kind, with Snakemake's {input.config}, {wildcards.*} and {log}.

    `exec` lets signals reach the command itself.
    """
    named = [f"--{name} {{wildcards.{name}}}" for name in WILDCARDS[: TAKES[KINDS[kind].of]]]
    words = [in_line(PIXELCNN), kind, "{input.config:q}", *named, *options]
    return " ".join(["exec", *words, "> {log:q} 2>&1"])


def plan_command() -> str:
    """The line for the rule that plans {params.asked}, a file with the description."""
    return f"exec {in_line([*PIXELCNN, 'plan'])} {{params.asked:q}} > {{log:q}} 2>&1"


def precision_command() -> str:
    """The line for the rule that measures what `precision: auto` is; {params.force} measures again."""
    return f"exec {in_line([*PIXELCNN, 'precision'])} {{input.config:q}} {{params.force}} > {{log:q}} 2>&1"


def report_command(folder: Path) -> str:
    """The line for the rule that makes the report of a benchmark's folder."""
    return f"exec {in_line([*PIXELCNN, 'report', str(folder)])} > {{log:q}} 2>&1"


def tune_command(folder: Path) -> str:
    """The line for the rule that chooses among the trials of a tuning's folder."""
    return f"exec {in_line([*PIXELCNN, 'tuned', str(folder)])} > {{log:q}} 2>&1"


def pack_command(snakefile: str) -> str:
    """The line for the rule of packs: a Snakemake that makes {params.results}.

    Inside, each run asks for one of the places on the job's GPUs. --no-hooks: the folder's lock and the
    tracker belong to the workflow that started this job. --profile: one of the user's own, named in the
    environment, is for that workflow, too.
    """
    inside = in_line([*SNAKEMAKE, "--profile", "none", "--snakefile", snakefile])
    options = "--executor local --cores {threads} --no-hooks --retries 0"
    return (
        f"{gpus.OF_A_JOB}={{params.gpus}} exec {inside} --configfile {{input.config:q}} {options}"
        " {params.results:q} > {log:q} 2>&1"
    )


def in_line(words: Sequence[str]) -> str:
    """Words for a rule's line, quoted for the shell, their braces not taken for Snakemake's."""
    return shlex.join(words).replace("{", "{{").replace("}", "}}")
