"""Pictures: images side by side in grids, samples and completions of a run.

`grids` needs no torch and serves the report, too; the others draw from a model.
"""
