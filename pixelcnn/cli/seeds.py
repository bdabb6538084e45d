"""`pixelcnn seeds`."""

from __future__ import annotations

from pathlib import Path

import click

from pixelcnn.cli import options


@click.command()
@options.benchmark_folder
def seeds(directory: Path) -> None:
    """How many more seeds would decide what is undecided."""
    from pixelcnn.report.collect import collect
    from pixelcnn.report.decided import tally
    from pixelcnn.report.differences import differences_of
    from pixelcnn.report.looks import read_looks
    from pixelcnn.report.more_seeds import plan_seeds, runs_at_once
    from pixelcnn.report.pairs import compare_pairs
    from pixelcnn.results.folder import BenchmarkFolder

    collected, looks = collect(directory), read_looks(BenchmarkFolder(directory))
    for dataset in collected.datasets:
        pairs = compare_pairs(differences_of(dataset, collected.benchmark, looks))
        plan = plan_seeds(pairs, dataset, collected.benchmark)
        print(f"{dataset.name}: {tally(pairs)}")
        for one in plan.undecided:
            print(f"  {one.words}")
        if plan.more:
            print(f"{plan.cost_words(runs_at_once(collected.benchmark, dataset))}. In the config:")
            print(f"  {plan.config_line()}")
            print(plan.look_words())
