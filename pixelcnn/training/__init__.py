"""One run from its first step to its checkpoint: loop, step, batches, saved state.

Knows no concrete architecture and no MLflow. Called by the command line and by `analysis.cost`.
"""
