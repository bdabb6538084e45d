"""A toy benchmark in the current folder."""

from __future__ import annotations

import pytest
from support.toy import toy


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy(tmp_path)
    return tmp_path
