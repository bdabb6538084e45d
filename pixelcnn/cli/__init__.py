"""The command line `pixelcnn`: the only place that puts the parts together."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pixelcnn import __version__
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.config.reading import benchmark_from, load_benchmark
from pixelcnn.config.run_spec import RunSpec
from pixelcnn.system.errors import Interrupted, RunFailed, UserError
from pixelcnn.system.files import write_json

if TYPE_CHECKING:  # torch takes seconds to import; commands that need it do so themselves
    import torch

    from pixelcnn.data.prepared import PreparedData
    from pixelcnn.results.checkpoint import Checkpoint
    from pixelcnn.system.gpus import Claim

#: Exit statuses: a mistake in the input, a run that failed, a signal (128 + its number), and a signal
#: that came while a state was there to save: "try again" of sysexits.h, the same command goes on.
BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 1, 75

#: The GPU of this process, held until it ends.
_CLAIMS: list[Claim] = []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status and prints a user's mistake as one message."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return options.command(options) or 0
    except RunFailed as error:
        print(f"pixelcnn {options.name}: failed: {error}", file=sys.stderr)
        return RUN_FAILED
    except UserError as error:
        print(f"pixelcnn {options.name}: error: {error}", file=sys.stderr)
        return BAD_INPUT
    except Interrupted as reason:
        print(
            f"pixelcnn {options.name}: {reason}; its state is saved, the same command goes on",
            file=sys.stderr,
        )
        return INTERRUPTED
    except KeyboardInterrupt:
        print(f"pixelcnn {options.name}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of our output went away, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:  # a full disk, a folder that is read-only: of the system, not of ours
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"pixelcnn {options.name}: failed: {where}{error.strerror or error}", file=sys.stderr)
        return RUN_FAILED


def entry() -> None:
    """The console script."""
    sys.exit(main())


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _plan(options: argparse.Namespace) -> None:
    from pixelcnn.scheduling.planning import check_benchmark

    if options.json is not None:
        benchmark = _resolved(benchmark_from(_json(options.json, "--json"), "--json"), "--json")
    else:
        benchmark = _benchmark(options.config)
    plan: dict[str, dict[str, Any]] = {}
    for (dataset, variant), size in check_benchmark(benchmark).items():
        print(
            f"{dataset:24} {variant:20} {size.parameters:>12,} parameters "
            f"{size.multiply_adds:>14,} multiply-adds an image"
        )
        plan.setdefault(dataset, {})[variant] = dataclasses.asdict(size)
    write_json(benchmark.plan_file, plan)
    path = benchmark.directory / "config.json"
    write_json(path, benchmark.to_json())
    print(f"{len(benchmark.runs())} runs; wrote {path}")


def _prepare(options: argparse.Namespace) -> None:
    from pixelcnn.data import preparation
    from pixelcnn.data.prepared import save

    benchmark = _benchmark(options.config)
    name = _dataset(benchmark, options)
    data = preparation.prepare(benchmark.datasets[name], preparation.data_root(benchmark.data_root))
    path = benchmark.data_file(name)
    save(data, path)
    counts = ", ".join(f"{split} {len(part.images):,}" for split, part in data.splits.items())
    print(f"{path}: {counts} images of {data.shape}, {data.levels} levels, SHA-256 {data.sha256}")


def _train(options: argparse.Namespace) -> None:
    from pixelcnn.system import locks

    benchmark, spec, run_dir = _run(options)
    if options.digest not in (None, spec.digest):
        raise UserError(
            f"--digest: {options.config} now describes {spec.digest}, wanted is {options.digest}; "
            "the config or a file of your own was changed meanwhile"
        )
    # A training that a killed workflow left behind goes on by itself: what it does is not done twice.
    with locks.acquire(
        run_dir / ".lock", wait=True, on_wait=lambda holder: _say(f"{spec.name}: waits for {holder}")
    ):
        _train_locked(options, benchmark, spec, run_dir)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _train_locked(options: argparse.Namespace, benchmark: Benchmark, spec: RunSpec, run_dir: Path) -> None:
    from pixelcnn.images.while_training import drawer
    from pixelcnn.models.registry import build_model
    from pixelcnn.results import checkpoint
    from pixelcnn.results.records import CHECKPOINT
    from pixelcnn.system import devices, signals
    from pixelcnn.system.progress import TrainingProgress
    from pixelcnn.system.seeding import derived_seed
    from pixelcnn.training import state
    from pixelcnn.training.loop import Observer, fit, image_spec

    finished = run_dir / CHECKPOINT
    if options.force:
        state.discard(run_dir)
    elif finished.exists() and checkpoint.load(finished).spec.digest == spec.digest:
        print(f"{run_dir}: already trained; --force trains it anew")
        return
    device = _device(benchmark, options)
    data = _data(benchmark, spec.dataset_name)
    model, likelihood = build_model(
        spec.variant, image_spec(data), seed=derived_seed(spec.seed, "initialisation")
    )
    progress = TrainingProgress(spec.name, spec.training.epochs)
    with signals.noted() as came:
        draw = drawer(likelihood, run_dir, n=benchmark.tracking.pictures, seed=spec.seed, say=_say)
        observer = Observer(progress.on_epoch, progress.on_step, _say, came, draw)
        result = fit(
            model,
            likelihood,
            data,
            spec,
            run_dir=run_dir,
            device=device,
            saving=benchmark.saving,
            observer=observer,
        )
    print(f"{finished}: epoch {result.epoch}, {devices.device_name(device)}")


def _evaluate(options: argparse.Namespace) -> None:
    from pixelcnn.evaluation import export
    from pixelcnn.evaluation.likelihoods import BATCH_SIZE
    from pixelcnn.evaluation.run import evaluate_run
    from pixelcnn.results.records import MODEL, RunFolder
    from pixelcnn.system import devices
    from pixelcnn.training import state

    benchmark, spec, run_dir = _run(options)
    _check_batch_size(options.batch_size)
    trained, data, device = (
        _checkpoint(spec, run_dir),
        _data(benchmark, spec.dataset_name),
        _device(benchmark, options),
    )
    record = RunFolder(run_dir).record()
    batch_size = BATCH_SIZE if options.batch_size is None else options.batch_size
    try:
        with devices.out_of_memory(f"lower --batch-size, which is {batch_size}"):
            metrics = evaluate_run(trained, data, device, run_dir, batch_size)
        export.save(trained, data, run_dir / MODEL)
    except RunFailed as error:
        if record is not None:  # a run without a finite likelihood has failed, however well it trained
            record.end("failed", f"evaluation: {error}")
            record.write(run_dir)
        raise
    if record is not None and record.status == "failed":
        # There is a checkpoint, so the training had ended well: what failed was an earlier evaluation.
        record.end("finished")
        record.write(run_dir)
    state.discard(run_dir)  # accepted: nothing has to go on any more
    marginal = (
        ""
        if metrics.marginal_nll is None
        else (
            f" given the label, {metrics.marginal_nll:.2f} marginal, {metrics.accuracy:.1%} classified right"
        )
    )
    print(
        f"{spec.name}: test NLL {metrics.nll:.2f} nats/image{marginal}, {metrics.bits_per_dim:.4f} bits/dim, "
        f"perplexity {metrics.perplexity:.4f} per dimension, {metrics.images:,} images"
    )


def _sample(options: argparse.Namespace) -> None:
    from pixelcnn.images.pictures import SHOWN, draw_completions, draw_samples, labels_for
    from pixelcnn.results.records import COMPLETION_GRID, COMPLETIONS, SAMPLE_GRID, SAMPLED, SAMPLES
    from pixelcnn.sampling.api import BATCH_SIZE
    from pixelcnn.scheduling import freshness
    from pixelcnn.system import devices
    from pixelcnn.system.progress import sampling_progress

    benchmark, spec, run_dir = _run(options)
    if options.out is not None and (options.out.suffix != ".npz" or options.also_complete):
        raise UserError(
            f"--out: expected one file that ends in .npz, without --also-complete; got {options.out}"
        )
    if options.n is not None and options.n < 1:
        raise UserError(f"-n: must be at least 1, got {options.n}")
    _check_batch_size(options.batch_size)
    _check_sample_files(options)
    wanted = None if options.labels is None else _labels(options.labels)
    model, likelihood = _checkpoint(spec, run_dir).model()
    model.to(_device(benchmark, options))
    drawing = benchmark.sampling
    how: dict[str, Any] = {
        "seed": spec.seed if options.sampling_seed is None else options.sampling_seed,
        "temperature": drawing.temperature if options.temperature is None else options.temperature,
    }
    how["batch_size"] = BATCH_SIZE if options.batch_size is None else options.batch_size
    advice = f"lower --batch-size, which is {how['batch_size']}"

    def files(arrays: str, grid: str) -> tuple[Path, Path]:
        out = options.out
        return (run_dir / arrays, run_dir / grid) if out is None else (out, out.with_suffix(".png"))

    if not options.complete:
        n = drawing.images if options.n is None else options.n
        y = labels_for(n, model.image.classes, wanted)
        arrays, grid = files(SAMPLES, SAMPLE_GRID)
        progress = sampling_progress(f"sampling {spec.name}", sys.stderr)
        with devices.out_of_memory(advice):
            draw_samples(model, likelihood, n, y, arrays, grid, on_progress=progress, **how)
        print(f"{arrays}: {n} images, {min(n, SHOWN)} of them in {grid}")
    if options.complete or options.also_complete:
        test = _data(benchmark, spec.dataset_name).splits["test"]
        n = min(drawing.completions, len(test.images))
        if options.complete and options.n is not None:
            n = options.n
        arrays, grid = files(COMPLETIONS, COMPLETION_GRID)
        progress = sampling_progress(f"completing for {spec.name}", sys.stderr)
        with devices.out_of_memory(advice):
            draw_completions(model, likelihood, test, n, wanted, arrays, grid, on_progress=progress, **how)
        print(f"{grid}: completions of {n} test images")
    if options.also_complete:
        write_json(run_dir / SAMPLED, freshness.sampled(spec, drawing))


def _check_batch_size(value: int | None) -> None:
    if value is not None and value < 1:
        raise UserError(f"--batch-size: must be at least 1, got {value}")


def _check_sample_files(options: argparse.Namespace) -> None:
    """What the report shows of a run must be what the config says."""
    if options.out is not None and options.also_complete:
        raise UserError("--also-complete: writes two files, --out names one; use --complete for the second")
    asked = {
        "-n": options.n,
        "--labels": options.labels,
        "--temperature": options.temperature,
        "--sampling-seed": options.sampling_seed,
    }
    if options.out is None and (flags := [flag for flag, value in asked.items() if value is not None]):
        raise UserError(
            f"{flags[0]}: needs --out: the report shows what is in the run's folder, drawn as the config says"
        )


def _labels(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--labels: expected whole numbers with commas between them, got {text!r}") from None


def _classify(options: argparse.Namespace) -> None:
    from pixelcnn.analysis import classifier
    from pixelcnn.system import devices

    benchmark = _benchmark(options.config)
    name = _dataset(benchmark, options)
    data, device = _data(benchmark, name), _device(benchmark, options)
    path = benchmark.classifier_file(name)
    with devices.out_of_memory("the classifier needs some hundred MB"):
        judge = classifier.classify(data, device, path)
    said = (
        "the images have no labels, nothing to classify"
        if judge is None
        else f"right on {judge.accuracy:.1%} of {judge.images:,} test images"
    )
    print(f"{path}: {said}")


def _analyse(options: argparse.Namespace) -> None:
    from pixelcnn.analysis.classifier import load_classifier
    from pixelcnn.analysis.run import analyse_run
    from pixelcnn.system import devices

    benchmark, spec, run_dir = _run(options)
    trained, data = _checkpoint(spec, run_dir), _data(benchmark, spec.dataset_name)
    device = _device(benchmark, options)
    judge = None
    if spec.variant.conditional:
        judge = load_classifier(benchmark.classifier_file(spec.dataset_name), data, device)
    with devices.out_of_memory("a machine with more of it is needed to look into this network"):
        found = analyse_run(trained, data, device, run_dir, benchmark.analysis, judge)
    agreement = "" if found.agreement is None else f", {found.agreement:.1%} of samples show their label"
    print(
        f"{spec.name}: NLL {found.train_nll:.2f} training, {found.valid_nll:.2f} validation nats/image, the "
        f"centre sees {found.reach_pixels} of {found.earlier_pixels} earlier pixels and uses "
        f"{found.effective_pixels}{agreement}"
    )


def _measure(options: argparse.Namespace) -> None:
    from statistics import median

    from pixelcnn.analysis.cost import measure_cost
    from pixelcnn.system import devices

    benchmark, spec, run_dir = _run(options)
    trained, data = _checkpoint(spec, run_dir), _data(benchmark, spec.dataset_name)
    device = _device(benchmark, options)
    with devices.out_of_memory(f"lower training.batch_size, which is {spec.training.batch_size}"):
        cost = measure_cost(trained, data, device)
    path = benchmark.cost_file(spec.dataset_name, spec.variant_name)
    cost.write(path)
    step, evaluation, sampling = (
        1000 * median(seconds)
        for seconds in (cost.step_seconds, cost.evaluation_seconds, cost.sampling_seconds)
    )
    print(
        f"{path}: a training step {step:.1f} ms, evaluating {cost.sampling_images} images "
        f"{evaluation:.1f} ms, drawing as many {sampling:.1f} ms, {cost.device}, {cost.threads} threads"
    )


def _report(options: argparse.Namespace) -> None:
    from pixelcnn.report.page import build_report

    print(build_report(options.directory))


def _track(options: argparse.Namespace) -> int:
    from pixelcnn.tracking import projection

    if options.watch:
        delivered = projection.watch(options.directory, parent_pid=options.parent_pid, uri=options.uri)
        return 0 if delivered else RUN_FAILED
    summary = projection.project(options.directory, uri=options.uri)
    print(summary)
    return 0 if summary.ok else RUN_FAILED


def _ui(options: argparse.Namespace) -> int:
    from pixelcnn.tracking import ui

    return ui.serve(options.directory, port=options.port, open_browser=options.open)


def _check(options: argparse.Namespace) -> int:
    from pixelcnn.invariants import check_architecture

    values = _json(options.hyperparameters, "--hyperparameters")
    if not isinstance(values, dict):
        raise UserError(f"--hyperparameters: expected keys and values, got {values!r}")
    passed = True
    for result in check_architecture(options.model, values):
        print(result)
        passed = passed and result.passed
    return 0 if passed else RUN_FAILED


def _json(text: str, flag: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{flag}: not valid JSON: {error}") from error


def _only(given: str | None, known: Mapping[str, object], flag: str) -> str:
    """What was given, or the only one there is."""
    if given is not None:
        return given
    if len(known) != 1:
        raise UserError(f"{flag}: needed, since the config has {', '.join(known)}")
    return next(iter(known))


def _run(options: argparse.Namespace) -> tuple[Benchmark, RunSpec, Path]:
    """The run that the options name, checked, and its folder."""
    from pixelcnn.scheduling.planning import check_run

    benchmark = _benchmark(options.config)
    dataset = _only(options.dataset, benchmark.datasets, "--dataset")
    seed = benchmark.seeds[0] if options.seed is None else options.seed
    spec = benchmark.run(dataset, options.variant, seed)
    check_run(spec)
    return benchmark, spec, benchmark.run_directory(spec)


def _benchmark(path: str) -> Benchmark:
    """The benchmark of a config file, resolved."""
    return _resolved(load_benchmark(path), path)


def _resolved(benchmark: Benchmark, where: str) -> Benchmark:
    if benchmark.resolved:
        return benchmark
    from pixelcnn.scheduling.planning import resolve_named

    return resolve_named(benchmark, where)


def _dataset(benchmark: Benchmark, options: argparse.Namespace) -> str:
    """The name of the dataset that the options say, or of the only one."""
    name = _only(options.dataset, benchmark.datasets, "--dataset")
    if name not in benchmark.datasets:
        raise UserError(f"--dataset: {name!r} is not one of {', '.join(benchmark.datasets)}")
    return name


def _data(benchmark: Benchmark, dataset: str) -> PreparedData:
    from pixelcnn.data.prepared import load_prepared

    path, spec = benchmark.data_file(dataset), benchmark.datasets[dataset]
    data = load_prepared(path)
    if data.spec != spec:
        raise UserError(f"{path}: prepared as {data.spec}, the config says {spec}; prepare it again")
    return data


def _checkpoint(spec: RunSpec, run_dir: Path) -> Checkpoint:
    from pixelcnn.results import checkpoint
    from pixelcnn.results.records import CHECKPOINT

    path = run_dir / CHECKPOINT
    loaded = checkpoint.load(path)
    if loaded.spec.digest != spec.digest:
        raise UserError(
            f"{path}: trained from a spec with digest {loaded.spec.digest}, the config has {spec.digest}; "
            "train it again"
        )
    return loaded


def _device(benchmark: Benchmark, options: argparse.Namespace) -> torch.device:
    """The device of this process, set up for it: threads and allocator."""
    import torch

    from pixelcnn.system import devices, gpus

    # By hand as in the workflow: another number of threads rounds otherwise and ends in other weights.
    threads = benchmark.threads if options.threads is None else options.threads
    if threads < 1:
        raise UserError(f"--threads: must be at least 1, got {threads}")
    torch.set_num_threads(threads)
    devices.tune_allocator()
    device = devices.choose_device(benchmark.device)
    if device.type != "cuda":
        return device
    claim = gpus.claim(devices.gpu_names(), runs_per_gpu=benchmark.runs_per_gpu, on_wait=_say)
    _CLAIMS.append(claim)
    return torch.device("cuda", claim.index)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pixelcnn", description="Benchmark of PixelCNN models.")
    parser.add_argument("--version", action="version", version=f"pixelcnn {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, function: Callable[[argparse.Namespace], int | None], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function, name=name)
        return added

    plan = command("plan", _plan, "Check a config with all its datasets and variants; write it resolved.")
    given = plan.add_mutually_exclusive_group(required=True)
    given.add_argument("config", nargs="?", help="benchmark description, YAML or JSON")
    given.add_argument("--json", help="the benchmark description itself, as JSON")

    _dataset_command(command("prepare", _prepare, "Prepare the images of a dataset: one file for all runs."))

    train = _run_command(command("train", _train, "Train one run."))
    train.add_argument("--force", action="store_true", help="train anew what is already trained")
    train.add_argument("--digest", help="refuse to train if the config means another run than this one")
    tests = _run_command(
        command("evaluate", _evaluate, "Test NLL, bits/dim and perplexity of a trained run.")
    )
    tests.add_argument("--batch-size", type=int, help="images evaluated together; bounds the memory")
    samples = _run_command(command("sample", _sample, "Draw images from a trained run."))
    samples.add_argument("-n", type=int, help="how many (default: the config's sampling.images)")
    samples.add_argument("--labels", help="classes to draw, such as 3 or 0,1,2 (default: all in turn)")
    samples.add_argument("--temperature", type=float, help="divides the logits (default: the config's)")
    samples.add_argument("--batch-size", type=int, help="images drawn together; bounds the memory")
    samples.add_argument(
        "--complete", action="store_true", help="complete -n test images from their upper half instead"
    )
    samples.add_argument("--also-complete", action="store_true", help="do both, with one start")
    samples.add_argument("--sampling-seed", type=int, help="seed of the noise (default: the run's seed)")
    samples.add_argument("--out", type=Path, help="an .npz file (default: in the run's folder)")

    classify = command("classify", _classify, "Train the classifier that judges conditional samples.")
    _threads(_dataset_command(classify))
    _run_command(command("analyse", _analyse, "What a trained run sees, has memorised and was asked for."))
    measure = command("measure", _measure, "Time a variant: a training step, an evaluation, sampling.")
    _run_command(measure, seed_needed=False)

    for name, function, text in (
        ("report", _report, "Compare the runs of a benchmark: tables, plots, samples, one page."),
        ("track", _track, "Project the runs of a benchmark into MLflow."),
        ("ui", _ui, "Open the MLflow UI on the runs under a benchmark's folder."),
    ):
        added = command(name, function, text)
        added.add_argument("directory", type=Path, help="results/BENCHMARK")
        if name == "track":
            added.add_argument("--watch", action="store_true", help="keep on while runs grow")
            added.add_argument("--parent-pid", type=int, help="with --watch: end when this process is gone")
            added.add_argument("--uri", help="tracking server (default: MLFLOW_TRACKING_URI or the config's)")
        if name == "ui":
            added.add_argument("--port", type=int, default=5000)
            added.add_argument(
                "--no-open", dest="open", action="store_false", help="only print the address, open no browser"
            )

    check = command("check", _check, "Check the invariants of an architecture.")
    check.add_argument("model", help="a name, or the path of a .py file that defines one")
    check.add_argument("--hyperparameters", default="{}", help="as JSON (default: the architecture's own)")
    return parser


def _dataset_command(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("config", help="benchmark description, YAML or JSON")
    parser.add_argument("--dataset", help="name in the config; needed if it has several")
    return parser


def _run_command(parser: argparse.ArgumentParser, *, seed_needed: bool = True) -> argparse.ArgumentParser:
    _dataset_command(parser)
    parser.add_argument("--variant", required=True, help="name in the config")
    words = None if seed_needed else "of a trained run (default: the config's first)"
    parser.add_argument("--seed", type=int, required=seed_needed, help=words)
    return _threads(parser)


def _threads(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--threads", type=int, help="CPU threads (default: the config's)")
    return parser
