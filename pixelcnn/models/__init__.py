"""Architectures: one file each, found by its name; they only compose layers.

Know nothing of data, training or files. Built by `registry.build_model`.
"""

#: Modules of this package that are not architectures.
HELPERS = ("base", "matching", "registry", "size")
