"""Datasets: from a source's raw images to the one file of integers that every run of a dataset reads.

Knows no model. Called by whatever looks at images: training, evaluation, analysis, the report.
"""
