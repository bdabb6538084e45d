"""The jobs of a benchmark as a scheduler sees them: which runs each is for, and what it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import estimates, freshness, packs
from pixelcnn.scheduling.commands import WILDCARDS
from pixelcnn.scheduling.kinds import KINDS

PACK = "pack"


@dataclass(frozen=True)
class Jobs:
    """The jobs of these runs, in their order; `gpus` is what a job of a run asks for.

    A job is named by its kind, one of `KINDS` or `PACK`, and the values of its wildcards: dataset, variant
    and seed, as many as its kind takes, or the number of the pack.
    """

    benchmark: Benchmark
    runs: Sequence[RunSpec]
    gpus: int

    @cached_property
    def packs(self) -> list[Sequence[RunSpec]]:
        """The runs of each pack, if there are packs at all."""
        return packs.split(self.benchmark, self.runs) if self.benchmark.jobs.runs_per_job > 1 else []

    def runs_of(self, wildcards: Mapping[str, str]) -> Sequence[RunSpec]:
        """The runs that a job is for: one, or all of its variant, its dataset or its pack."""
        if PACK in wildcards:
            return self.packs[int(wildcards[PACK])]
        return self._named[tuple(wildcards[name] for name in WILDCARDS if name in wildcards)]

    @cached_property
    def _named(self) -> dict[tuple[str, ...], list[RunSpec]]:
        named: dict[tuple[str, ...], list[RunSpec]] = {}
        for run in self.runs:
            names = (run.dataset_name, run.variant_name, str(run.seed))
            for n in (1, 2, 3):
                named.setdefault(names[:n], []).append(run)
        return named

    def is_current(self, kind: str, wildcards: Mapping[str, str]) -> bool:
        """Whether what a job made before is what the config asks for now; see `freshness`."""
        runs = self.runs_of(wildcards)
        if kind == PACK:
            return packs.is_current(self.benchmark, runs, self.mark_of(runs[0]))
        return freshness.is_current(kind, self.benchmark, runs)

    def minutes(self, kind: str, wildcards: Mapping[str, str], attempt: int) -> int:
        """Minutes to ask for, estimated from what `plan` and `prepare` wrote.

        What is tried again asks for more, unless the config says how much: that may be all that a partition
        gives. A training or a pack asks for no more, for it goes on where it was.

        Raises:
            FileNotFoundError: if these have not run yet.
        """
        runs = self.runs_of(wildcards)
        if kind == PACK:
            return packs.minutes(self.benchmark, runs, self.gpus)
        least = estimates.minutes(self.benchmark, [(kind, runs[0])], on_gpu=self.gpus > 0)
        fixed = kind == "train" or estimates.asked(self.benchmark, kind).minutes is not None
        return least if fixed else least * attempt

    def memory_mb(self, kind: str, attempt: int) -> int:
        """MB to ask for; what is tried again asks for more, unless the config says how much."""
        if kind == PACK:
            return packs.memory_mb(self.benchmark, self.gpus, attempt)
        fixed = estimates.asked(self.benchmark, kind).memory_mb is not None
        return estimates.memory_mb(self.benchmark, [kind]) * (1 if fixed else attempt)

    def measured_run(self, wildcards: Mapping[str, str]) -> RunSpec:
        """The run that a variant is measured by."""
        return freshness.measured_run(self.benchmark, self.runs_of(wildcards))

    def mark_of(self, run: RunSpec) -> Path:
        """The mark of the pack that has a run."""
        place = [one.name for one in self.runs].index(run.name)
        return folder_of(self.benchmark).pack(place // self.benchmark.jobs.runs_per_job)

    def classifiers(self, wildcards: Mapping[str, str]) -> list[Path]:
        """What judges the samples of a job's runs; an unconditional run needs none."""
        judged = {run.dataset_name for run in self.runs_of(wildcards) if run.variant.conditional}
        return [folder_of(self.benchmark).dataset(name).classifier for name in sorted(judged)]

    def data(self, wildcards: Mapping[str, str]) -> list[Path]:
        """The prepared data of a job's runs."""
        names = {run.dataset_name for run in self.runs_of(wildcards)}
        return [folder_of(self.benchmark).dataset(name).data for name in sorted(names)]

    @property
    def own_files(self) -> list[str]:
        """The user's own files, with those that they import: `plan` looks at them anew when one is edited.

        Other jobs watch none: what their edits mean is in the digests.
        """
        return sorted({path for run in self.runs for files in run.own_files.values() for path in files})

    def finished(self) -> list[Path]:
        """What is there once every run has its results: those, or the marks of the packs."""
        if self.packs:
            return [folder_of(self.benchmark).pack(number) for number in range(len(self.packs))]
        return packs.results(self.benchmark, self.runs)

    def costs(self) -> list[Path]:
        """What is there once every variant was measured."""
        folder, cost = folder_of(self.benchmark), KINDS["measure"].made
        return list(dict.fromkeys(cost(folder, run) for run in self.runs))
