"""The browser of these tests, Debian's Chromium. `python tests/browser/chromium.py fit` says whether it is
there or can be installed (root on Debian), `install` installs it unless it is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")

#: Headless, and without the services that look for the internet by themselves.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Unfit(Exception):
    """There is no browser here, and none can be installed; says why."""


def executable() -> str | None:
    """The path of a Chromium."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def check_machine() -> None:
    """Raises `Unfit` unless a Chromium is there or can be installed."""
    release = Path("/etc/os-release")
    if executable():
        return
    if os.name != "posix" or os.geteuid() != 0:
        raise Unfit("there is no chromium, and installing it needs root")
    if not release.exists() or "ID=debian" not in release.read_text(encoding="utf-8"):
        raise Unfit("there is no chromium, and it is installed on Debian only")


def install() -> None:
    """Install Debian's package unless there is a Chromium."""
    check_machine()
    if executable():
        return
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "check": True}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], **quiet)


def main() -> int:
    actions = {"fit": check_machine, "install": install}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        print(f"usage: {sys.argv[0]} {'|'.join(actions)}", file=sys.stderr)
        return 2
    try:
        actions[sys.argv[1]]()
    except Unfit as reason:
        print(f"no browser for tests: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
