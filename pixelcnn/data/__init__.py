"""Datasets: one module a source, and the prepared arrays that every run reads."""

#: Modules of this package that are not datasets.
HELPERS = ("preparation", "source")
