# Front door of the workflow: reads and checks the config, then includes the rules.
# `snakemake --cores 8 report` runs everything for config.yaml;
# `snakemake report --cores 8 --configfile configs/mnist.yaml` another benchmark;
# `snakemake tune --cores 8` the trials of its tuning.
import json
import os
import re
import shutil
import sys
from pathlib import Path

from snakemake.utils import min_version

from pixelcnn.results.folder import folder_of
from pixelcnn.scheduling import commands, freshness, gpus, hooks, packs
from pixelcnn.scheduling.jobs import Jobs
from pixelcnn.scheduling.resolution import resolved_from
from pixelcnn.system import surroundings
from pixelcnn.system.errors import UserError
from pixelcnn.tuning.trials import trials_of

surroundings.make_do()  # for Snakemake itself, too: it asks for the user's name
min_version("9.0")

# A benchmark given on the command line replaces the default one: merging the two would mix
# their variants.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "workflow/rules/common.smk"


# What a mistake in it is told of; --config may have changed what the file says.
CONFIG_NAME = " and ".join(map(shortest, workflow.configfiles)) or "config"
BENCHMARK = checked(resolved_from, config, CONFIG_NAME, map(Path, workflow.configfiles))
# The trials of a tuning are a benchmark themselves, in a folder of its own: all that follows is of that one.
if asked_to_tune():
    BENCHMARK = checked(trials_of, BENCHMARK)
# By this jobs on a cluster know what `forced` found.
FORCED = "PIXELCNN_FORCED"
# The one place that says which runs there are; rules ask for what they need of them.
JOBS = Jobs(
    BENCHMARK, BENCHMARK.runs(), checked(gpus.of_a_job, BENCHMARK, os.environ), forced
)
FOLDER = folder_of(BENCHMARK)
# With wildcards for names: the patterns of the rules' files.
DATASET = FOLDER.dataset("{dataset}")
RUN = FOLDER.run("{dataset}", "{variant}", "{seed}")

# On one machine Snakemake counts places on GPUs itself.
if (gpus_here := gpus.here(BENCHMARK, os.environ)) and "gpu" not in (
    workflow.global_resources
):
    workflow.register_resource("gpu", gpus_here * BENCHMARK.runs_per_gpu)


report: "workflow/report/workflow.rst"


wildcard_constraints:
    dataset="|".join(map(re.escape, BENCHMARK.datasets)),
    variant="|".join(map(re.escape, BENCHMARK.variants)),
    seed="|".join(map(str, BENCHMARK.seeds)),
    pack=r"\d+",


# On a cluster these run where Snakemake does: they are short, or download what compute nodes cannot.
localrules:
    all,
    report,
    plan,
    prepare,


include: "workflow/rules/data.smk"
include: "workflow/rules/precision.smk"


if BENCHMARK.tunes:

    include: "workflow/rules/tune.smk"

else:

    include: "workflow/rules/train.smk"
    include: "workflow/rules/evaluate.smk"
    include: "workflow/rules/sample.smk"
    include: "workflow/rules/analyse.smk"
    include: "workflow/rules/audit.smk"
    include: "workflow/rules/report.smk"


include: "workflow/rules/pack.smk"
include: "workflow/rules/tracking.smk"
