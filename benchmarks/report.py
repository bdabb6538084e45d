"""Seconds that the report takes, and how large its page is.

    python -m benchmarks.report [results/BENCHMARK] [--runs 15 500]

Of a benchmark that is there, or of made-up ones of so many finished, analysed and measured runs, five seeds
a variant.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import made_up
from pixelcnn.results.folder import BenchmarkFolder, folder_of


def seconds_and_bytes(directory: Path) -> str:
    """Builds the report in a process of its own, as the workflow does."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pixelcnn", "report", str(directory)], check=True, capture_output=True
    )
    seconds = time.perf_counter() - start
    return f"{seconds:.1f} s, {BenchmarkFolder(directory).report.page.stat().st_size / 1e6:.2f} MB"


def make_up(folder: Path, runs: int) -> Path:
    """A benchmark of `runs` runs as tests have them."""
    variants = {f"variant-{i:03}": {"model": "pixelcnn", "conditional": i % 5 == 4} for i in range(runs // 5)}
    made = made_up.benchmark(folder, variants=variants, seeds=list(range(5)))
    made_up.write_all(made)
    return folder_of(made).path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?", help="results/BENCHMARK")
    parser.add_argument("--runs", type=int, nargs="+", default=[15, 500])
    options = parser.parse_args()
    if options.directory:
        print(f"{options.directory}: {seconds_and_bytes(options.directory)}")
        return
    for runs in options.runs:
        with tempfile.TemporaryDirectory(prefix="pixelcnn-report-") as folder:
            directory = make_up(Path(folder), runs)
            print(f"{runs} runs: {seconds_and_bytes(directory)}", flush=True)


if __name__ == "__main__":
    main()
