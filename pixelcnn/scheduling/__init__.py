"""What Snakemake needs to know: what is planned, how long it may take, what is current.

Imported by the Snakefile, so all but `planning` do without torch.
"""
