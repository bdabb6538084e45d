"""How the trials of a tuning went, and which is chosen: by the validation NLL, and nothing else is read."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.tuning import Trial
from pixelcnn.results.folder import BenchmarkFolder
from pixelcnn.results.records import TrialRecord
from pixelcnn.system.errors import UserError
from pixelcnn.tuning.trials import tuned, tuning_of


@dataclass(frozen=True)
class Outcome:
    """How a trial went: the mean over seeds of the best validation NLL, nats/image; None if one failed."""

    trial: Trial
    seeds: tuple[int, ...]
    valid_nll: float | None
    seconds: float
    error: str | None

    @property
    def status(self) -> str:
        """In a word."""
        return "failed" if self.valid_nll is None else "finished"


def outcomes_of(folder: BenchmarkFolder, benchmark: Benchmark) -> list[Outcome]:
    """How every trial of a benchmark of trials went, in their order.

    Raises:
        ConfigError: if these are no trials.
        UserError: if one has not ended, or is of another config.
    """
    return [_outcome(folder, benchmark, trial) for trial in tuning_of(tuned(benchmark)).planned]


def _outcome(folder: BenchmarkFolder, benchmark: Benchmark, trial: Trial) -> Outcome:
    (dataset,) = benchmark.datasets
    records = [_record(folder, benchmark, dataset, trial, seed) for seed in benchmark.seeds]
    losses = [record.valid_nll for record in records if record.valid_nll is not None]
    errors = [record.error or "no reason given" for record in records if record.status == "failed"]
    return Outcome(
        trial=trial,
        seeds=benchmark.seeds,
        valid_nll=statistics.fmean(losses) if len(losses) == len(records) else None,
        seconds=sum(record.seconds for record in records),
        error=errors[0] if errors else None,
    )


def _record(
    folder: BenchmarkFolder, benchmark: Benchmark, dataset: str, trial: Trial, seed: int
) -> TrialRecord:
    spec = benchmark.run(dataset, trial.name, seed)
    record = folder.run_of(spec).trial()
    if record is None or record.digest != spec.digest:
        why = "not there yet" if record is None else "of another config than config.json has"
        raise UserError(f"{folder.run_of(spec).trial_file}: {why}; `snakemake tune` makes it")
    return record


def chosen(outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    """Of each variant the trial with the lowest validation NLL, the first of equals.

    Raises:
        UserError: naming a variant all of whose trials failed, and why.
    """
    best: dict[str, Outcome] = {}
    for name in dict.fromkeys(outcome.trial.variant for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.trial.variant == name]
        ended = [(one.valid_nll, one.trial.number, one) for one in own if one.valid_nll is not None]
        if not ended:
            raise UserError(
                f"variant {name}: all of its {len(own)} trials failed, so that none can be chosen. "
                f"The first: {own[0].error}"
            )
        best[name] = min(ended, key=lambda one: one[:2])[2]
    return best
