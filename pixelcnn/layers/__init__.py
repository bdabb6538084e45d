"""Causal building blocks: full form, reach and incremental form side by side.

Know `incremental` and nothing else of ours. Models compose them.
"""
