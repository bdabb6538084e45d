"""What the parameters that a network gives for a pixel mean: distributions over its levels.

One file each, found by its name; built by `registry.make_likelihood`. Know nothing of networks, data, files.
"""

#: Modules of this package that are not likelihoods.
HELPERS = ("base", "logistic", "registry")
