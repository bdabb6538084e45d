"""What the parameters that a network gives for a pixel mean: distributions over its levels.

Know nothing of networks, data or files. Chosen by name in `registry`.
"""
