"""Many tiny runs through the throw-away SLURM: are all there in the end, without a hand?

    python tests/slurm/many.py [--runs 200] [--runs-per-job 20] [--folder DIR]

Says how long it took and how many jobs and runs there were; ends with a status that is not zero if a run is
missing. Root on Debian, as for the tests.
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

import cluster

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--runs-per-job", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="pixelcnn-many-"))
    folder.mkdir(exist_ok=True)
    network = {"model": "pixelcnn", "hyperparameters": {"channels": 4, "blocks": 1, "head_channels": 4}}
    benchmark = {
        "benchmark": "many",
        "datasets": {"digits": {"source": "mnist5k", "image_size": 7, "levels": 3}},
        "variants": {"network": network, "independent": {"model": "independent"}},
        "seeds": list(range(options.runs // 2)),
        "training": {"epochs": 1, "batch_size": 100},
        "sampling": {"images": 2, "completions": 1},
        "jobs": {"runs_per_job": options.runs_per_job},
    }
    (folder / "many.yaml").write_text(json.dumps(benchmark))
    cluster.up()
    try:
        started = time.perf_counter()
        command = [sys.executable, "-m", "snakemake", "report", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(folder), "--configfile", str(folder / "many.yaml")]
        command += ["--profile", str(ROOT / "profiles" / "slurm"), "--slurm-status-command", "squeue"]
        command += ["--slurm-init-seconds-before-status-checks", "5", "--slurm-no-account"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (folder / "many.log").open("w") as log:
            status = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log).returncode
        seconds = time.perf_counter() - started
        jobs = cluster.output("squeue", "--states=all", "--noheader", "--format=%T").split()
    finally:
        cluster.down()
    done = len(list(folder.glob("results/many/digits/*/seed*/metrics.json")))
    states = {state: jobs.count(state) for state in sorted(set(jobs))}
    print(f"{done} of {options.runs} runs evaluated by {len(jobs)} jobs ({states}) in {seconds:.0f} s;")
    print(f"Snakemake ended with {status}; its log is {folder}/many.log")
    return int(status != 0 or done != options.runs)


if __name__ == "__main__":
    sys.exit(main())
