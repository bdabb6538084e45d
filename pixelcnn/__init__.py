"""Benchmark of PixelCNN models: exact likelihoods, several seeds, honest comparison."""

__version__ = "0.1.0"
