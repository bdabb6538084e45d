"""From seeds to intervals and tests.

Knows numbers, not runs and not reports. Called by the report.
"""
