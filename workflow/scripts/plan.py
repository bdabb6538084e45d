"""Hands the merged config to `pixelcnn plan`; a script, since a command line would not hold a large one."""

import sys

from pixelcnn.cli import main

with open(snakemake.log[0], "w") as log:  # noqa: F821  # Snakemake puts it there
    sys.stdout = sys.stderr = log
    status = main(["plan", "--json", snakemake.params.config])  # noqa: F821
sys.exit(status)
