"""What the shared options mean: a dataset or a run of a benchmark, with its files and its device."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn.results.folder import DatasetFolder, RunFolder, folder_of
from pixelcnn.system.errors import UserError

if TYPE_CHECKING:  # torch takes seconds to import; what needs it does so itself
    import torch

    from pixelcnn.config.benchmark import Benchmark
    from pixelcnn.config.run_spec import RunSpec
    from pixelcnn.data.prepared import PreparedData
    from pixelcnn.results.checkpoint import Checkpoint
    from pixelcnn.system.gpus import Claim

#: The GPU of this process, held until it ends.
_CLAIMS: list[Claim] = []


@dataclass(frozen=True)
class Dataset:
    """A dataset of a benchmark; `threads` are the CPU threads asked for, None for the config's."""

    config: Path
    benchmark: Benchmark
    dataset: str
    threads: int | None

    @property
    def files(self) -> DatasetFolder:
        """What all runs on the dataset share."""
        return folder_of(self.benchmark).dataset(self.dataset)

    def data(self) -> PreparedData:
        """The prepared images.

        Raises:
            UserError: if they are missing, damaged, or of another description than the config's.
        """
        from pixelcnn.config.differences import dataset_differences, told
        from pixelcnn.config.run_spec import dataset_digest
        from pixelcnn.data.prepared import load_prepared, read_description

        path, spec = self.files.data, self.benchmark.datasets[self.dataset]
        data = load_prepared(path)
        if data.spec != spec:
            other = told(dataset_differences(data.spec, spec))
            raise UserError(f"{path}: prepared by another description ({other}); prepare it again")
        if read_description(path)["digest"] != dataset_digest(spec):
            raise UserError(
                f"{path}: prepared by other code of {spec.source} than it has now; prepare it again"
            )
        return data

    def device(self) -> torch.device:
        """The device of this process, set up for it: threads, and what `use_device` does."""
        import torch

        # By hand as in the workflow: another number of threads rounds otherwise and ends in other weights.
        torch.set_num_threads(self.threads or self.benchmark.threads)
        return use_device(self.benchmark.device, self.benchmark.runs_per_gpu)


@dataclass(frozen=True)
class Run(Dataset):
    """A run on a dataset, as the config describes it, and its folder."""

    spec: RunSpec
    folder: RunFolder

    def still_asked_for(self) -> bool:
        """Whether the config, as it is by now, describes this run."""
        try:
            chosen = choose_dataset(self.config, self.dataset, self.threads)
            spec = chosen.benchmark.run(self.dataset, self.spec.variant_name, self.spec.seed)
        except UserError:
            return False
        return spec.digest == self.spec.digest

    def checkpoint(self, *, apart: bool = False) -> Checkpoint:
        """What its training ended in; in a compact folder what the exported model has of that.

        What is made of it `apart` from the results needs no more than the same function of an image: that
        it was trained otherwise than the config says is then told and no mistake.

        Raises:
            UserError: if it is missing, damaged, or of another run than the config describes now.
        """
        from pixelcnn.config.differences import differences, function_differences, told
        from pixelcnn.evaluation import export
        from pixelcnn.results import checkpoint

        path, alone = self.folder.checkpoint, self.folder.model
        if alone.exists() and not path.exists():
            path, loaded = alone, export.load(alone).checkpoint
        else:
            loaded = checkpoint.load(path)
        if loaded.spec.digest == self.spec.digest:
            return loaded
        other = differences(loaded.spec, self.spec)
        if not apart or function_differences(loaded.spec, self.spec):
            raise UserError(f"{path}: trained by another description ({told(other)}); train it again")
        say(f"{path}: trained otherwise than the config says ({told(other)})")
        return loaded


def use_device(wanted: str, runs_per_gpu: int = 1) -> torch.device:
    """The device asked for, set up for this process: allocator, the current GPU.

    Waits for a GPU that is taken.

    Raises:
        UserError: if there is no such device.
    """
    import torch

    from pixelcnn.system import devices, gpus

    devices.tune_allocator()
    device = devices.choose_device(wanted)
    if device.type != "cuda":
        return device
    claim = gpus.claim(devices.gpu_names(), runs_per_gpu=runs_per_gpu, on_wait=say)
    _CLAIMS.append(claim)
    torch.cuda.set_device(claim.index)  # for whatever names no GPU, such as a user's own layers
    return torch.device("cuda", claim.index)


def load(config: Path) -> Benchmark:
    """The benchmark of a config file, resolved.

    Raises:
        ConfigError: naming the file, the key, what it held and what was expected.
    """
    from pixelcnn.config.reading import load_benchmark

    benchmark = load_benchmark(config)
    if benchmark.resolved:  # by `plan`: who reads that needs no torch for it
        return benchmark
    from pixelcnn.scheduling.planning import resolve_named

    return resolve_named(benchmark, str(config))


def choose_dataset(config: Path, name: str | None, threads: int | None) -> Dataset:
    """The dataset with a name, or the only one of a benchmark.

    Raises:
        UserError: if the config cannot be run, has no such dataset, or has several and none is named.
    """
    benchmark = load(config)
    known = list(benchmark.datasets)
    if name is None and len(known) > 1:
        raise UserError(f"--dataset: needed, since the config has {', '.join(known)}")
    if name not in (None, *known):
        raise UserError(f"--dataset: {name!r} is not one of {', '.join(known)}")
    return Dataset(config, benchmark, name or known[0], threads)


def choose_run(chosen: Dataset, variant: str, seed: int | None) -> Run:
    """The run on a dataset with these names, checked; without a seed that of the benchmark's first one.

    Raises:
        UserError: if there is no such run, or it cannot be run.
    """
    from pixelcnn.scheduling.planning import check_run

    benchmark = chosen.benchmark
    spec = benchmark.run(chosen.dataset, variant, benchmark.seeds[0] if seed is None else seed)
    check_run(spec)
    folder = folder_of(benchmark).run_of(spec)
    return Run(chosen.config, benchmark, chosen.dataset, chosen.threads, spec, folder)


def say(sentence: str) -> None:
    """Tell whoever waits, at once."""
    print(sentence, file=sys.stderr, flush=True)
