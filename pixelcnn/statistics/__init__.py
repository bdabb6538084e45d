"""From a few values to intervals and tests.

Knows numbers, neither runs nor reports. Called by the report.
"""
