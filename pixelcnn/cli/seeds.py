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
    from pixelcnn.report.decided import look_words, tally
    from pixelcnn.report.differences import differences_of
    from pixelcnn.report.looks import note_looks, read_looks
    from pixelcnn.report.more_seeds import config_line, cost_words, plan_seeds, runs_at_once
    from pixelcnn.report.pairs import compare_pairs
    from pixelcnn.results.folder import BenchmarkFolder

    folder, collected = BenchmarkFolder(directory), collect(directory)
    benchmark, looks, plans = collected.benchmark, read_looks(folder), []
    for dataset in collected.datasets:
        pairs = compare_pairs(differences_of(dataset, benchmark, looks))
        plan = plan_seeds(pairs, dataset, benchmark)
        plans.append(plan)
        said = [f"{dataset.name}: {tally(pairs)}.", look_words(pairs.differences.look)]
        print(" ".join(filter(None, said)))
        for one in plan.undecided:
            print(f"  {one.words}")
        if plan.untested:
            print("  a test takes two finished seeds of each variant")
    note_looks(folder, collected.datasets, looks)
    if more := max((plan.more for plan in plans), default=0):
        seconds = sum(plan.seconds for plan in plans)  # seeds are those of all datasets
        print(f"{cost_words(more, seconds, runs_at_once(benchmark, collected.runs))}. In the config:")
        print(f"  {config_line(benchmark, more)}")
        if said_of_look := max(plans, key=lambda plan: plan.next_look).look_words():
            print(said_of_look)
