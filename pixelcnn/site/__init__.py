"""A static site of benchmarks: their reports and records, and all their numbers as one JSON file.

It copies what reports and runs wrote, and computes no number of its own.
"""
