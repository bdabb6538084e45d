"""Several runs in one job: for runs that are shorter than the wait in a queue (`jobs.runs_per_job`), and for
seeds of a variant that train together (`jobs.seeds_per_job`).

A pack is a Snakemake of its own inside one job, with the very rules of single runs: logs, what is done
already, what a failure stops, all is the same, and a later change of these numbers repeats nothing. The
pack declares a mark and not the files of its runs, for Snakemake deletes what a failed job declares: so a
run that fails takes none of its neighbours with it, as it does in a Snakemake group.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import estimates, freshness
from pixelcnn.scheduling.kinds import KINDS, of_a_run
from pixelcnn.system.errors import UserError


def are_wanted(benchmark: Benchmark) -> bool:
    """Whether jobs hold several runs at all."""
    return max(benchmark.jobs.runs_per_job, benchmark.jobs.seeds_per_job) > 1


def groups(benchmark: Benchmark, runs: Iterable[RunSpec]) -> list[list[RunSpec]]:
    """The runs that train together: so many seeds of a variant, see `jobs.seeds_per_job`."""
    size, found = benchmark.jobs.seeds_per_job, list[list[RunSpec]]()
    for _, of_variant in itertools.groupby(runs, lambda run: (run.dataset_name, run.variant_name)):
        seeds = list(of_variant)
        found += [seeds[i : i + size] for i in range(0, len(seeds), size)]
    return found


def split(benchmark: Benchmark, runs: Iterable[RunSpec]) -> list[Sequence[RunSpec]]:
    """The packs of these runs, in their order, of `jobs.runs_per_job` at most; no group is torn."""
    found: list[list[RunSpec]] = []
    for group in groups(benchmark, runs):
        if not found or len(found[-1]) + len(group) > benchmark.jobs.runs_per_job:
            found.append([])
        found[-1] += group
    return [*found]


def at_once(benchmark: Benchmark, gpus: int) -> int:
    """Runs of a pack side by side: those that find places on its GPUs; without GPUs one after the other."""
    most = max(benchmark.jobs.runs_per_job, benchmark.jobs.seeds_per_job)
    return min(most, benchmark.runs_per_gpu * gpus) if gpus else 1


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
        keys = ("runs_per_job", "seeds_per_job")
        packing = {key: given for key in keys if (given := getattr(benchmark.jobs, key)) > 1}
        said = " and ".join(f"jobs.{key}: {given}" for key, given in packing.items())
        single = ", ".join(f"{key}: 1" for key in packing)
        raise UserError(
            f"forcing {', '.join(inside)} does not reach the runs inside the jobs of {said}; "
            f"add --config 'jobs={{{single}}}'"
        )
