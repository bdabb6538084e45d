"""The figures of the report, one kind a file; each gives a `Drawing` or None. All NLL in nats per image.

Know results, not the page. Called by the report's sections, the history plot by the tracker.
"""
