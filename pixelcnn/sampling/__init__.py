"""Drawing images from a model: up to rounding the same ones whatever the sampler, batch size, device.

Runs the programs of `incremental` along a schedule. Called through `api`.
"""
