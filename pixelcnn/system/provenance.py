"""What a number depends on beside its spec: versions and the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pixelcnn

PACKAGE = Path(pixelcnn.__file__).parent
#: Variables of git that say where a checkout is.
ELSEWHERE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
)


def versions() -> dict[str, str]:
    """Versions of what the numbers of a run depend on."""
    import numpy as np  # only here: the commit is asked for without them
    import torch

    return {
        "pixelcnn": pixelcnn.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of its own, which no checkpoint may hold
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def commit(package: Path = PACKAGE) -> str | None:
    """The commit of the source tree, with -dirty if tracked files differ; None where it cannot be told."""
    return commit_or_why(package)[0]


def commit_or_why(package: Path = PACKAGE) -> tuple[str | None, str | None]:
    """The commit, as `commit` has it, and if there is none, why."""
    package = package.resolve()
    top = next((folder for folder in package.parents if (folder / ".git").exists()), None)
    if top is None:
        return None, "not run from a git checkout: the version must do"
    try:
        # A package installed inside somebody else's checkout must not name their commit.
        _git(package, top, "ls-files", "--error-unmatch", "__init__.py")
        return _git(package, top, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"), None
    except OSError as error:
        return None, f"git cannot be run: {error.strerror}"
    except subprocess.CalledProcessError as error:
        return None, (error.stderr.strip().splitlines() or [f"git ends with status {error.returncode}"])[0]


def _git(package: Path, top: Path, *arguments: str) -> str:
    """What git says of the checkout `top`, which is only read, whoever it belongs to.

    Git refuses that of another user, whose settings could have it run a program. Whoever owns the code that
    runs here already could; so where that is the owner of the checkout, too, it is taken for safe.
    """
    options = ["-c", "core.fsmonitor=false"]
    if (top / ".git").stat().st_uid == (package / "__init__.py").stat().st_uid:
        options += ["-c", f"safe.directory={top}"]
    # Those by which git tells its hooks where they are would have it look at another checkout.
    environment = {k: v for k, v in os.environ.items() if k not in ELSEWHERE}
    done = subprocess.run(
        ["git", *options, *arguments],
        cwd=package,
        env=environment | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout.strip()
