"""The commit of the code that runs, and why there is none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.reports import report_of

from benchmarks import made_up
from pixelcnn.system.provenance import commit, commit_or_why

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="asks git")
ROOT = Path(__file__).resolve().parents[2]
SOMEBODY = 12345


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    """Of whoever runs the tests, who may have named every folder as safe."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


def git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always")
    done = subprocess.run(
        ["git", *name, "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def checkout(folder: Path) -> Path:
    """A package in a checkout of one commit."""
    package = folder / "checkout" / "pixelcnn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    git(package.parent, "init", "-q", ".")
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-q", "-m", "one")
    return package


@pytest.fixture
def package(tmp_path) -> Path:
    return checkout(tmp_path)


def head(package: Path) -> str:
    return git(package.parent, "rev-parse", "--short=12", "HEAD")


def test_the_commit_is_that_of_the_checkout_and_dirty_if_it_was_edited(package):
    assert commit_or_why(package) == (head(package), None)
    (package / "__init__.py").write_text("x = 1\n", encoding="utf-8")
    assert commit(package) == f"{head(package)}-dirty"


def test_so_it_is_in_a_worktree_a_shallow_clone_and_inside_a_hook(package, tmp_path, monkeypatch):
    git(package.parent, "commit", "-q", "--allow-empty", "-m", "two")
    wanted = head(package)
    git(package.parent, "worktree", "add", "-q", str(tmp_path / "tree"))
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{package.parent}", "shallow")
    (tmp_path / "other").mkdir()
    git(tmp_path / "other", "init", "-q", ".")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other" / ".git" / "index"))
    for place in (package, tmp_path / "tree" / "pixelcnn", tmp_path / "shallow" / "pixelcnn"):
        assert commit_or_why(place) == (wanted, None)


def asked_by_somebody(package: Path) -> tuple[str | None, str | None]:
    """What `commit_or_why` says to another user."""
    code = (
        f"import os, sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}; import json, pathlib\n"
        "from pixelcnn.system.provenance import commit_or_why\n"
        f"os.setuid({SOMEBODY})\n"
        f"print(json.dumps(commit_or_why(pathlib.Path({str(package)!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    found, why = json.loads(done.stdout)
    return found, why


@pytest.fixture
def seen_by_all():
    """A package where other users may look, as they may not among the files of a test."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs to be root")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield checkout(Path(folder))


def test_a_checkout_of_another_user_tells_its_commit(seen_by_all):
    """Git by itself refuses to look at it: "dubious ownership"."""
    wanted = head(seen_by_all)
    assert asked_by_somebody(seen_by_all) == (wanted, None)


def test_a_checkout_that_is_not_of_who_owns_the_code_is_not_trusted_and_the_reason_is_told(seen_by_all):
    """Its settings might have git run a program of somebody who could not have one run otherwise."""
    for path in seen_by_all.parent.rglob("*"):
        if ".git" in path.parts:
            os.chown(path, SOMEBODY + 1, -1)
    os.chown(seen_by_all.parent / ".git", SOMEBODY + 1, -1)
    found, why = asked_by_somebody(seen_by_all)
    assert found is None and "dubious ownership" in why and "\n" not in why


def test_a_package_beside_no_checkout_or_in_one_that_is_not_its_own_has_none(package, tmp_path):
    (alone := tmp_path / "alone" / "pixelcnn").mkdir(parents=True)
    (alone / "__init__.py").write_text("", encoding="utf-8")
    found, why = commit_or_why(alone)
    assert found is None and "not run from a git checkout" in why
    (installed := package.parent / "venv" / "pixelcnn").mkdir(parents=True)
    (installed / "__init__.py").write_text("", encoding="utf-8")
    found, why = commit_or_why(installed)
    assert found is None and "did not match any file" in why


def test_without_git_that_is_the_reason(package, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_or_why(package) == (None, "git cannot be run: No such file or directory")


def test_the_report_says_why_a_commit_is_unknown(tmp_path):
    made = made_up.benchmark(tmp_path, seeds=[0], variants={"plain": {"model": "pixelcnn"}})
    values = {"commit": None, "no_commit": "git cannot be run: No such file or directory"}
    made_up.write_run(made, made.runs()[0], record_values=values)
    report = report_of(made)
    for text in (report.page, report.markdown):
        assert "unknown (git cannot be run: No such file or directory)" in text
