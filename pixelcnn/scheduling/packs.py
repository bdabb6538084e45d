"""Several runs in one job (`jobs.runs_per_job`): for runs that are shorter than the wait in a queue.

A pack is a Snakemake of its own inside one job, with the very rules of single runs: logs, what is done
already, what a failure stops, all is the same, and a later change of `runs_per_job` repeats nothing. The
pack declares a mark and not the files of its runs, for Snakemake deletes what a failed job declares: so a
run that fails takes none of its neighbours with it, as it does in a Snakemake group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import estimates, freshness
from pixelcnn.scheduling.kinds import KINDS, of_a_run
from pixelcnn.system.errors import UserError


def split(benchmark: Benchmark, runs: Sequence[RunSpec]) -> list[Sequence[RunSpec]]:
    """The packs of these runs, in their order."""
    size = benchmark.jobs.runs_per_job
    return [runs[i : i + size] for i in range(0, len(runs), size)]


def at_once(benchmark: Benchmark, gpus: int) -> int:
    """Runs of a pack side by side: those that find places on its GPUs; without GPUs one after the other."""
    return min(benchmark.jobs.runs_per_job, benchmark.runs_per_gpu * gpus) if gpus else 1


def results_of(benchmark: Benchmark) -> tuple[str, ...]:
    """The kinds whose results are there once a run is done; it was trained by then."""
    return tuple(name for name in of_a_run(benchmark) if name != "train")


def results(benchmark: Benchmark, runs: Iterable[RunSpec]) -> list[Path]:
    """What is there once these runs are done."""
    folder = folder_of(benchmark)
    return [KINDS[kind].made(folder, run) for run in runs for kind in results_of(benchmark)]


def is_current(benchmark: Benchmark, runs: Sequence[RunSpec], mark: Path) -> bool:
    """Whether a pack's mark, if it is there, tells the truth: of these runs, all there, from this config."""
    if mark.exists() and not all(path.exists() for path in results(benchmark, runs)):
        return False
    return all(freshness.is_current(kind, benchmark, [run]) for run in runs for kind in of_a_run(benchmark))


def minutes(benchmark: Benchmark, runs: Sequence[RunSpec], gpus: int) -> int:
    """Minutes to ask for; raises as `estimates.minutes` does."""
    work = [(kind, run) for run in runs for kind in of_a_run(benchmark)]
    return estimates.minutes(benchmark, work, on_gpu=gpus > 0, at_once=at_once(benchmark, gpus))


def memory_mb(benchmark: Benchmark, gpus: int, attempt: int) -> int:
    """MB to ask for; what is tried again asks for more, unless the config says all of it."""
    kinds = of_a_run(benchmark)
    known = all(estimates.asked(benchmark, kind).memory_mb is not None for kind in kinds)
    return at_once(benchmark, gpus) * estimates.memory_mb(benchmark, kinds) * (1 if known else attempt)


def refuse_forced(benchmark: Benchmark, rules: Iterable[str]) -> None:
    """Refuse rules that are to be forced but would not be.

    The jobs inside packs are not in the workflow's graph: without a word Snakemake would force nothing.

    Raises:
        UserError: naming them.
    """
    if inside := sorted({*of_a_run(benchmark), "pack"} & set(rules)):
        raise UserError(
            f"forcing {', '.join(inside)} does not reach the runs inside the jobs of "
            f"jobs.runs_per_job: {benchmark.jobs.runs_per_job}; add --config 'jobs={{runs_per_job: 1}}'"
        )
