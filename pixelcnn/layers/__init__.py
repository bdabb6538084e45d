"""Causal building blocks. Each states its reach beside its full form; models only compose them."""
