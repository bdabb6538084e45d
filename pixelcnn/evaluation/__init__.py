"""Likelihoods of images, and the test results and the exported model of a run.

The only place where nats become bits/dim and perplexity. Called by training, analysis, the command line.
"""
