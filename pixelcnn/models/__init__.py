"""Architectures: one file each, found by its name."""

#: Modules of this package that are not architectures.
HELPERS = ("base", "registry")
