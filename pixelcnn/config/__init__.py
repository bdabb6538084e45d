"""What a benchmark's description says, typed and validated, and the runs that it stands for.

Knows nothing of ours but `system`. Everything else may read it.
"""
