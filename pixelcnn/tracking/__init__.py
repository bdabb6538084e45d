"""MLflow as a projection of the folders under `results/`.

The only place that imports mlflow, inside of functions. Called by the command line.
"""
