"""What lies under `results/`: the files of a run and of a benchmark, and how they are read and written.

The only place that knows their names. Everything that runs or reports may call it.
"""
