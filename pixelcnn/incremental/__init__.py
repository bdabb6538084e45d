"""What a layer's incremental form is said in: programs, memory, schedules, and symbols for features.

Knows neither layers nor models. Layers add operations to a program; `sampling` runs it. See README.md.
"""
