"""One module a dataset; each is found by its name, and a user's own file offers the same four names.

Knows only the contract of `data`. Loaded by `data.contract.find_source`.
"""
