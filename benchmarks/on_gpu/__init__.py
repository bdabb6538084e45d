"""What `python -m benchmarks.gpu` checks and measures, in parts."""
