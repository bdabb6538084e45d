"""Equal tuning: which trials there are, and which of them a config of its own is made of.

The trials are a benchmark themselves: what runs benchmarks runs them. Only `planning` needs torch.
"""
