"""Seconds that `snakemake -n report` takes to plan a benchmark of 1,000 runs.

    python -m benchmarks.planning [--runs 1000]

On a fresh folder, and once the data is prepared, when the time of every job is estimated.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    options = parser.parse_args()
    benchmark = {
        "benchmark": "planning",
        "datasets": {"digits": {"source": "mnist5k"}},
        "variants": {f"v{i}": {"model": "pixelcnn"} for i in range(10)},
        "seeds": list(range(options.runs // 10)),
        "training": {"epochs": 5},
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "planning.json"
        config.write_text(json.dumps(benchmark), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "report"]
        command += ["-n", "--quiet", "progress", "rules", "--cores", "2", "--directory", folder]
        for when, steps in (("on a fresh folder", ()), ("once data is prepared", ("plan", "prepare"))):
            for step in steps:
                prepared = [sys.executable, "-m", "pixelcnn", step, str(config)]
                subprocess.run(prepared, check=True, cwd=folder, capture_output=True)
            start = time.perf_counter()
            subprocess.run([*command, "--configfile", str(config)], check=True, capture_output=True)
            print(f"{options.runs} runs planned in {time.perf_counter() - start:.1f} s {when}")


if __name__ == "__main__":
    main()
