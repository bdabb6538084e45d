"""Memory that a large dataset takes: to prepare, and for two processes that read batches of it.

    python -m benchmarks.big_data [--images 100000] [--size 64] [--source array|folder]

Makes random colour images in a folder for temporary files (TMPDIR, where three times their size must be
free), as one .npy file or as a picture each, and prepares them by `pixelcnn prepare`. Two processes then load
the result as a training does and read an epoch of batches. Each says how much memory is its own (private),
how much it was before it loaded anything, and how much it is with what both share counted by halves
(proportional).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pixelcnn.results.folder import BenchmarkFolder

MB = 2**20
#: Images that are made at once.
TOGETHER = 1000


def made(folder: Path, source: str, images: int, size: int) -> dict[str, object]:
    """Random images; the section of a config for them."""
    random = np.random.default_rng(0)
    if source == "array":
        path = folder / "images.npy"
        shape = (images, size, size, 3)
        with path.open("wb") as file:
            said = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, said)
            for start in range(0, images, TOGETHER):
                file.write(random.bytes(min(TOGETHER, images - start) * size * size * 3))
        return {"source": "array", "path": str(path), "axes": "NHWC"}
    path = folder / "images"
    for i in range(images):
        picture = path / f"{i // TOGETHER:04}" / f"{i:07}.ppm"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"P6 %d %d 255\n" % (size, size) + random.bytes(size * size * 3))
    return {"source": "folder", "path": str(path), "channels": 3, "image_size": size, "labels": "none"}


def prepared(folder: Path, section: dict[str, object]) -> Path:
    """Prepares the images in a process; the file."""
    config = folder / "big.json"
    value = {
        "benchmark": "big",
        "datasets": {"big": section},
        "variants": {"plain": {"model": "pixelcnn"}},
        "seeds": [0],
        "training": {"epochs": 1},
    }
    config.write_text(json.dumps(value), encoding="utf-8")
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "pixelcnn", "prepare", str(config)], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(1)
    path = BenchmarkFolder(folder / "results" / "big").dataset("big").data
    peak, size = usage.ru_maxrss * 1024 / MB, path.stat().st_size / MB
    print(
        f"prepared in {time.perf_counter() - started:.0f} s, {usage.ru_utime + usage.ru_stime:.0f} s of them "
        f"CPU, at a peak of {peak:,.0f} MB resident; {size:,.0f} MB on disk"
    )
    return path


def memory() -> dict[str, float]:
    """Of this process, in MB: what is its own, and what it has with what is shared divided by the sharers."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    found = {words[0].rstrip(":"): int(words[1]) * 1024 / MB for words in map(str.split, lines)}
    return {"private": found["Private_Clean"] + found["Private_Dirty"], "proportional": found["Pss"]}


def read(path: Path) -> None:
    """What a process of `readers` does: an epoch of batches, then it waits to be asked for its memory."""
    import torch

    from pixelcnn.config.run_spec import RunSpec, TrainingSpec, VariantSpec
    from pixelcnn.data.prepared import load_prepared
    from pixelcnn.training.batches import Batches

    before = memory()
    data = load_prepared(path)
    training = TrainingSpec(epochs=1, batch_size=64)
    spec = RunSpec("big", "big", "plain", 0, data.spec, VariantSpec("pixelcnn"), training)
    batches = Batches(data, spec, torch.device("cpu"))
    started = time.perf_counter()
    total = sum(int(x.sum()) for x, _ in batches.epoch())
    seconds = time.perf_counter() - started
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(memory() | {"before": before["private"], "seconds": seconds, "sum": total}), flush=True)
    sys.stdin.readline()


def readers(path: Path) -> None:
    """Two processes that read the file at the same time."""
    command = [sys.executable, "-m", "benchmarks.big_data", "--read", str(path)]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        for _ in range(2)
    ]
    streams = [(process.stdin, process.stdout) for process in both]
    for _, answers in streams:
        assert answers is not None and answers.readline() == "ready\n"
    for asked, answers in streams:
        assert asked is not None and answers is not None
        asked.write("\n")
        asked.flush()
        said = json.loads(answers.readline())
        print(
            f"a reader: {said['private']:,.0f} MB private ({said['before']:,.0f} before it loaded), "
            f"{said['proportional']:,.0f} MB proportional; an epoch of batches in {said['seconds']:.0f} s"
        )
    for process in both:
        process.communicate("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--source", choices=("array", "folder"), default="array")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        read(options.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        section = made(Path(folder), options.source, options.images, options.size)
        pixels = options.images * options.size**2 * 3 / MB
        print(f"{options.images:,} images of {options.size}x{options.size}x3, {pixels:,.0f} MB", flush=True)
        readers(prepared(Path(folder), section))


if __name__ == "__main__":
    main()
