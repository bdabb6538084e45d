"""How many more seeds would decide what a benchmark leaves undecided, and how long they would take."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count, islice
from statistics import fmean

from pixelcnn.config.benchmark import Benchmark
from pixelcnn.report.collect import DatasetRuns, Run
from pixelcnn.report.pairs import Pair, Pairs
from pixelcnn.report.text import duration
from pixelcnn.report.words import amount, count_of, ordinal
from pixelcnn.statistics.seeds_needed import IN_REACH, SeedsNeeded, seeds_needed


@dataclass(frozen=True)
class Undecided:
    """A pair that the seeds do not decide, and how many more would; None if a hundred would not."""

    pair: Pair
    difference: float
    needed: SeedsNeeded | None

    @property
    def words(self) -> str:
        """The pair, by how much it differs, and what would decide it."""
        first, second = self.pair
        apart = f"{first} against {second}, {amount(self.difference, 2)} nats apart"
        if self.needed is None:
            return f"{apart}: out of reach, a hundred seeds would not decide it"
        what = "find a difference of that size" if self.needed.decides == "difference" else "show equivalence"
        return f"{apart}: {count_of(self.needed.more, 'more seed')} would {what}"


@dataclass(frozen=True)
class SeedPlan:
    """What is undecided on a dataset, cheapest first, and the seeds that would decide what is in reach.

    `more` is for every variant; `seconds` is what one seed of all of them takes, job by job.
    """

    undecided: list[Undecided]
    more: int
    seeds: list[int]
    seconds: float
    next_look: int

    def config_line(self) -> str:
        """What to write in the config."""
        return f"seeds: {self.seeds}"

    def cost_words(self, at_once: int | None = None) -> str:
        """How long the seeds take, by what those so far took."""
        alone = duration(self.more * self.seconds)
        words = (
            f"{count_of(self.more, 'more seed')} of every variant: about {alone} of training, evaluation and "
            "analysis"
        )
        if at_once is None:
            return words
        beside = duration(self.more * self.seconds / at_once)
        return f"{words}, {beside} with {count_of(at_once, 'run')} at once"

    def look_words(self) -> str:
        """What follows for the next report."""
        return (
            f"The report of them is the {ordinal(self.next_look)} look at these variants, whose verdicts are "
            "stricter for it; that is reckoned in. Decide on the number before you look."
        )


def plan_seeds(pairs: Pairs, dataset: DatasetRuns, benchmark: Benchmark) -> SeedPlan:
    """What would decide the undecided pairs of a dataset, with a chance of 80 % each."""
    look = pairs.differences.look.number + 1
    undecided = [
        Undecided(pair, pairs.seeds[pair].difference, seeds_needed(pairs.seeds[pair], look=look))
        for pair in pairs.having("undecided")
    ]
    undecided.sort(key=lambda one: one.needed.more if one.needed else IN_REACH)
    more = max((one.needed.more for one in undecided if one.needed), default=0)
    return SeedPlan(undecided, more, _with_more(benchmark, more), _seconds_of_a_seed(dataset), look)


def _with_more(benchmark: Benchmark, more: int) -> list[int]:
    """The config's seeds and the next ones that neither they nor the trials of a tuning have."""
    taken = {*benchmark.seeds, *(benchmark.tuning.seeds if benchmark.tuning else ())}
    further = (seed for seed in count(max(benchmark.seeds) + 1) if seed not in taken)
    return [*benchmark.seeds, *islice(further, more)]


def _seconds_of_a_seed(dataset: DatasetRuns) -> float:
    """Of all variants, the mean over the seeds of each."""
    return sum(fmean(map(_seconds_of, variant.finished)) for variant in dataset.variants if variant.finished)


def _seconds_of(run: Run) -> float:
    training = run.record.wall_seconds if run.record else 0.0
    return training + sum(done.seconds for done in (run.metrics, run.analysis) if done)


def runs_at_once(benchmark: Benchmark, dataset: DatasetRuns) -> int | None:
    """How many runs like those there are this machine can do at once; None if they were on a GPU."""
    records = [run.record for run in dataset.runs if run.finished and run.record]
    if not records or any(record.device != "cpu" for record in records):
        return None
    return max(1, len(os.sched_getaffinity(0)) // benchmark.threads)
