# Front door of the workflow: reads and checks the config, then includes the rules.
# `snakemake --cores 8 report` runs everything for config.yaml;
# `snakemake report --cores 8 --configfile configs/mnist.yaml` another benchmark.
import dataclasses
import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

from pixelcnn.scheduling import estimates, freshness
from pixelcnn.scheduling.resolution import resolved_from
from pixelcnn.system import locks
from pixelcnn.config.run_spec import dataset_digest
from pixelcnn.system.errors import ConfigError

# A benchmark given on the command line replaces the default one: merging the two would mix
# their variants.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


try:
    BENCHMARK = resolved_from(config, "config")
except ConfigError as error:
    raise WorkflowError(str(error)) from None

RUNS = {spec.name: spec for spec in BENCHMARK.runs()}
ROOT = str(BENCHMARK.directory)
RUN = ROOT + "/{dataset}/{variant}/seed{seed}"
# The interpreter that runs Snakemake has the package, whether or not it is on the PATH.
COMMAND = [sys.executable, "-m", "pixelcnn"]
PIXELCNN = shlex.join(COMMAND)


report: "workflow/report/workflow.rst"


wildcard_constraints:
    dataset="|".join(map(re.escape, BENCHMARK.datasets)),
    variant="|".join(map(re.escape, BENCHMARK.variants)),
    seed="|".join(map(str, BENCHMARK.seeds)),


# On a cluster these run where Snakemake does: they are short, or download what compute nodes cannot.
localrules:
    all,
    report,
    plan,
    prepare,


# `report` is the front door's first target, so that a bare `snakemake --cores 8` makes it, too.
rule all:
    default_target: True
    input:
        ROOT + "/report/index.html",
        ROOT + "/report/.complete",


include: "workflow/rules/resources.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/pack.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tracking.smk"
