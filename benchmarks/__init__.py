"""Measurements that are too long or too machine-dependent for a test; each is a command."""
