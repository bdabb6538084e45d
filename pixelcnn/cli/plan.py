"""`pixelcnn plan`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixelcnn.cli import options, runs
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:  # torch takes seconds to import; what needs it does so itself
    from pixelcnn.config.benchmark import Benchmark
    from pixelcnn.scheduling.estimates import Size

#: By which share networks may differ in parameters without a word.
ALIKE = 0.03


@click.command()
@options.config
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="Write a config of equal time instead."
)
@click.option("--out", type=options.PATH, help="With --seconds: where (default: beside CONFIG).")
@click.option("--force", is_flag=True, help="With --seconds: replace the file that is there.")
def plan(config: Path, seconds: float | None, out: Path | None, force: bool) -> None:
    """Check a config with all that it names, and write it resolved.

    With --seconds N it times the training steps of every variant and writes a config in which each trains for
    about N seconds of them, with a budget in images.
    """
    if seconds is not None:
        _equal_time(config, seconds, out, force)
        return
    if out is not None or force:
        raise UserError("--out and --force: are for --seconds, which is not given")
    _resolve(config)


def _resolve(config: Path) -> None:
    from pixelcnn.results.folder import folder_of
    from pixelcnn.scheduling.planning import check_benchmark
    from pixelcnn.system.files import write_json

    benchmark = runs.load(config)
    sizes: dict[str, dict[str, Any]] = {}
    found = check_benchmark(benchmark)
    for (dataset, variant), size in found.items():
        sizes.setdefault(dataset, {})[variant] = dataclasses.asdict(size)
    for line in plan_lines(benchmark, found):
        print(line)
    folder = folder_of(benchmark)
    write_json(folder.plan, sizes)
    write_json(folder.config, benchmark.to_json())
    print(f"{len(benchmark.runs())} runs; wrote {folder.config}")


def plan_lines(benchmark: Benchmark, sizes: Mapping[tuple[str, str], Size]) -> Iterator[str]:
    """How large the network of each dataset and variant is, and what could be done where they differ."""
    for (dataset, variant), size in sizes.items():
        yield (
            f"{dataset:24} {variant:20} {size.parameters:>12,} parameters "
            f"{size.multiply_adds:>14,} multiply-adds an image{_matched(benchmark, dataset, variant)}"
        )
    for dataset in benchmark.datasets:
        if line := _offer(benchmark, dataset, sizes):
            yield line


def _matched(benchmark: Benchmark, dataset: str, variant: str) -> str:
    """The width that was found for a variant, and how near it came, as the end of its line."""
    asked, found = benchmark.variants[variant].match_parameters, benchmark.match(dataset, variant)
    return f"  ({found.words(asked)})" if asked and found else ""


def _offer(benchmark: Benchmark, dataset: str, sizes: Mapping[tuple[str, str], Size]) -> str | None:
    """A word on `match_parameters` where it would help: networks of other sizes that do not use it."""
    competing = [name for name in benchmark.variants if not sizes[dataset, name].truth]
    networks = [name for name in competing if not sizes[dataset, name].baseline]
    if all(benchmark.variants[name].match_parameters for name in networks):
        return None
    counts = [sizes[dataset, name].parameters for name in networks]
    if max(counts) <= (1 + ALIKE) * min(counts):
        return None
    more = 100 * (max(counts) / min(counts) - 1)
    return (
        f"{dataset}: its largest network has {more:.0f} % more parameters than its smallest; "
        f"`match_parameters: {min(counts)}` in a variant, in the place of its width, finds that width"
    )


def _equal_time(config: Path, seconds: float, out: Path | None, force: bool) -> None:
    from pixelcnn.analysis import equal_time
    from pixelcnn.config import yaml_text
    from pixelcnn.config.reading import benchmark_from, read_written
    from pixelcnn.data import preparation
    from pixelcnn.system.files import atomic
    from pixelcnn.training import precision

    written = read_written(config)
    benchmark = runs.load(config)
    if len(benchmark.datasets) > 1:
        raise UserError(
            f"--seconds: {config} has the datasets {', '.join(benchmark.datasets)}, but a variant has one "
            "budget for all of them; write a config for each dataset"
        )
    name = f"{benchmark.benchmark}-{seconds:g}s"
    target = out or config.with_name(f"{config.stem}-{seconds:g}s.yaml")
    if target.exists() and not force:
        raise UserError(f"{target}: is there already; --force replaces it, --out FILE writes another")
    chosen = runs.choose_dataset(config, None, None)
    device = chosen.device()
    spec = benchmark.datasets[chosen.dataset]
    data = preparation.prepare(spec, preparation.data_root(benchmark.data_root))
    first = [benchmark.run(chosen.dataset, variant, benchmark.seeds[0]) for variant in benchmark.variants]
    # Not that of this benchmark's folder, if it has one: the config written is another benchmark.
    automatic = precision.measure(benchmark, device).chosen if precision.automatic(benchmark) else ""
    a_pass = len(data.splits["train"].images)
    timed = equal_time.time_variants(first, a_pass, device, seconds, automatic)
    print(f"{'variant':20} {'ms/step':>10} {'images/s':>10} {'images':>12} {'passes':>8}")
    for one in timed:
        speed = one.images_a_step / one.seconds_a_step
        print(
            f"{one.variant:20} {1000 * one.seconds_a_step:>10.2f} {speed:>10,.0f} {one.images:>12,} "
            f"{one.passes:>8.2f}"
        )
    command = f"pixelcnn plan {config} --seconds {seconds:g}"
    how = equal_time.how_made(command, device, benchmark.threads)
    value = equal_time.with_budgets(written, timed, name, how)
    benchmark_from(value, str(target))
    with atomic(target) as temporary:
        temporary.write_text(yaml_text.written(value, [how], target), encoding="utf-8")
    print(f"wrote {target}, the benchmark {name}")
