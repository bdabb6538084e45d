"""The comparison of a benchmark's runs: one page, its tables and its figures.

Reads files, never torch. Called by the command line through `page.build_report`.
"""
