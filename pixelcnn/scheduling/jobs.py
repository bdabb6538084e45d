"""The jobs of a benchmark as a scheduler sees them: which runs each is for, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import estimates, freshness, packs
from pixelcnn.scheduling.commands import TAKES, WILDCARDS
from pixelcnn.scheduling.kinds import KINDS, TRAIN, of_a_run

PACK, PRECISION = "pack", "precision"

#: Files that a job reads, and whether each is settled, see `Jobs.is_settled`.
Read = dict[Path, bool]


def nothing() -> frozenset[str]:
    """Nothing is to be made anew that is current."""
    return frozenset()


@dataclass(frozen=True)
class Jobs:
    """The jobs of these runs, in their order; `gpus` is what a job of a run asks for.

    `forced` says which kinds and files are to be made anew, whether or not they are current.

    A job is named by its kind, one of `KINDS` or `PACK`, and the values of its wildcards: dataset, variant
    and seed, as many as its kind takes, or the number of the pack.
    """

    benchmark: Benchmark
    runs: Sequence[RunSpec]
    gpus: int
    forced: Callable[[], Set[str]] = nothing

    @cached_property
    def packs(self) -> list[Sequence[RunSpec]]:
        """The runs of each pack, if there are packs at all."""
        return packs.split(self.benchmark, self.runs) if packs.are_wanted(self.benchmark) else []

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

    def is_settled(self, kind: str, run: RunSpec) -> bool:
        """Whether what a job of this kind makes of a run stays as it is, and all that it is made from."""
        if (kind, run.name) not in self._settled:
            forced = {kind, str(KINDS[kind].made(folder_of(self.benchmark), run))} & self.forced()
            above = not forced and all(self.is_settled(before, run) for before in KINDS[kind].after)
            names = dict(zip(WILDCARDS, (run.dataset_name, run.variant_name, str(run.seed)), strict=True))
            given = {name: names[name] for name in WILDCARDS[: TAKES[KINDS[kind].of]]}
            self._settled[kind, run.name] = above and self.is_current(kind, given)
        return self._settled[kind, run.name]

    @cached_property
    def _settled(self) -> dict[tuple[str, str], bool]:
        return {}

    def replaced(self, kind: str, wildcards: Mapping[str, str]) -> list[str]:
        """The words by which a training that is forced replaces the one that is there, whose id they name."""
        run = self.runs_of(wildcards)[0]
        made = str(KINDS[kind].made(folder_of(self.benchmark), run))
        if not {kind, made} & self.forced():
            return []
        run_id = freshness.run_id_of(self.benchmark, run)
        return [] if run_id is None else ["--replace", run_id]

    def makes(self, kind: str, wildcards: Mapping[str, str]) -> list[Path]:
        """The files that a job makes, that by which one knows that it did first."""
        run = self.runs_of(wildcards)[0]
        if kind == PACK:
            return [self.mark_of(run)]
        return [*KINDS[kind].makes(folder_of(self.benchmark), run)]

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
        on_gpu = self.gpus > 0 and not KINDS[kind].on_cpu
        least = estimates.minutes(self.benchmark, [(kind, runs[0])], on_gpu=on_gpu)
        fixed = kind in TRAIN or estimates.asked(self.benchmark, kind).minutes is not None
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
        return folder_of(self.benchmark).pack(self._pack_of[run.name])

    @cached_property
    def _pack_of(self) -> dict[str, int]:
        return {run.name: number for number, runs in enumerate(self.packs) for run in runs}

    def trained_with(self, wildcards: Mapping[str, str]) -> list[str]:
        """The words by which a training takes those along that are trained at once with it."""
        run = self.runs_of(wildcards)[0]
        together = next(g for g in packs.groups(self.benchmark, self.runs) if run in g)
        return [word for other in together if other is not run for word in ("--with", str(other.seed))]

    def read(self, kind: str, wildcards: Mapping[str, str]) -> Read:
        """What jobs of a kind have made of the runs of a job, for that to read.

        Only of conditional runs a classifier judges the samples, and none of a tuning's.
        """
        runs = self.runs_of(wildcards)
        if kind == "classify":
            judged = self.benchmark.tunes is None
            runs = [run for run in runs if judged and run.variant.conditional]
        found: Read = {}
        for run in runs:
            found |= self._made(kind, run)
        return found

    def _made(self, kind: str, run: RunSpec) -> Read:
        """What a job of a kind made of one run; no file of a training of which the exported model is left."""
        folder, settled = folder_of(self.benchmark), self.is_settled(kind, run)
        made = KINDS[kind].made(folder, run)
        exported = kind == "train" and not made.exists() and folder.run_of(run).has_weights(run.digest)
        return {} if exported and settled else {made: settled}

    def read_precision(self, wildcards: Mapping[str, str]) -> Read:
        """What `precision: auto` is, for a job that is to train with it; what is trained keeps its own."""
        runs = self.runs_of(wildcards)
        if not any(run.training.precision == "auto" and self._to_train(run) for run in runs):
            return {}
        path = folder_of(self.benchmark).precision
        return {path: path.exists() and not self.measures_again}

    @property
    def measures_again(self) -> bool:
        """Whether what `precision: auto` is, is to be measured though it is known."""
        return bool({PRECISION, str(folder_of(self.benchmark).precision)} & self.forced())

    def _to_train(self, run: RunSpec) -> bool:
        kind = of_a_run(self.benchmark)[0]
        return not all(path.exists() and settled for path, settled in self._made(kind, run).items())

    def read_all(self, kind: str) -> Read:
        """What jobs of a kind have made of all runs."""
        return {
            KINDS[kind].made(folder_of(self.benchmark), run): self.is_settled(kind, run) for run in self.runs
        }

    def read_to_measure(self, wildcards: Mapping[str, str]) -> Read:
        """The checkpoint that a variant is measured by, or the mark of the pack that makes it."""
        return self._read_of(self.measured_run(wildcards), "train")

    def audited_run(self, wildcards: Mapping[str, str]) -> RunSpec:
        """The run whose test images a variant pays for."""
        return self.runs_of(wildcards)[0]

    def read_to_audit(self, wildcards: Mapping[str, str]) -> Read:
        """The test results that a variant's audit holds its own against, or the mark of their pack."""
        return self._read_of(self.audited_run(wildcards), "evaluate")

    def _read_of(self, run: RunSpec, kind: str) -> Read:
        """What a job of a kind made of one run, or the mark of the pack that makes it."""
        if not self.packs:
            return self._made(kind, run)
        # Turning packing on makes the mark anew without training anything; the plan sees what was trained.
        return {self.mark_of(run): True}

    def read_by_report(self) -> Read:
        """The results of every run, or the marks of the packs; the cost of every variant, what it paid."""
        return self._read_at_the_end(["measure", "audit"] if self.benchmark.audited else ["measure"])

    def read_by_tune(self) -> Read:
        """How every trial went, or the marks of the packs."""
        return self._read_at_the_end([])

    def _read_at_the_end(self, beside: Sequence[str]) -> Read:
        """What every run has in the end, or the marks of the packs, and what jobs of further kinds made."""
        found = {}
        for number, runs in enumerate(self.packs):
            settled = all(self.is_settled(kind, run) for run in runs for kind in of_a_run(self.benchmark))
            mark = folder_of(self.benchmark).pack(number)
            found[mark] = settled and self.is_current(PACK, {PACK: str(number)})
        kinds = beside if self.packs else [*packs.results_of(self.benchmark), *beside]
        for run in self.runs:
            for kind in kinds:
                found[KINDS[kind].made(folder_of(self.benchmark), run)] = self.is_settled(kind, run)
        return found
