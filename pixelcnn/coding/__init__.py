"""Lossless compression by a model's own probabilities, and what it costs beside the NLL.

The one place that imports constriction, and only when something is coded.
"""
