"""Many tiny runs through the throw-away SLURM: are all there in the end, without a hand?

    python tests/slurm/many.py [--runs 200] [--runs-per-job 20] [--folder DIR]

Says how long it took and how many jobs and runs there were; ends with a status that is not zero if a run is
missing. Root on Debian, as for the tests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from slurm import cluster
from slurm.workflows import benchmark, profile, start

#: What a run has in the end.
RESULTS = ("checkpoint.pt", "metrics.json", "samples.npz", "analysis.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--runs-per-job", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="pixelcnn-many-"))
    folder.mkdir(exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder} is not empty: what lies there would count as done")
    network = {"model": "pixelcnn", "hyperparameters": {"channels": 4, "blocks": 1, "head_channels": 4}}
    results = benchmark(
        folder,
        "many",
        {"network": network, "independent": {"model": "independent"}},
        seeds=list(range(options.runs // 2)),
        training={"epochs": 1, "batch_size": 100},
        sampling={"images": 2, "completions": 1},
        jobs={"runs_per_job": options.runs_per_job},
    )
    cluster.up()
    try:
        started = time.perf_counter()
        status = start(folder, "many", "report", *profile()).wait()
        seconds = time.perf_counter() - started
        jobs = cluster.output("squeue", "--states=all", "--noheader", "--format=%T").split()
    finally:
        cluster.down()
    runs = results.glob("digits/*/seed*")
    done = sum(all((run / name).exists() for name in RESULTS) for run in runs)
    states = {state: jobs.count(state) for state in sorted(set(jobs))}
    print(f"{done} of {options.runs} runs whole by {len(jobs)} jobs ({states}) in {seconds:.0f} s;")
    print(f"Snakemake ended with {status}; its log is {folder}/many.log")
    return int(status != 0 or done != options.runs)


if __name__ == "__main__":
    sys.exit(main())
