"""The machine that a process runs on: files, locks, signals, processes, devices, versions, seeds, errors.

Knows nothing of images, models or benchmarks. Everything else may call it.
"""
