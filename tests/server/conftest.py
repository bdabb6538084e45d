"""The throw-away server of these tests, as docs/tracking.md starts it. Run them by `make test-server`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from server import lab

ROOT = Path(__file__).resolve().parents[2]
USERS = ("ana", "ben")


def shown() -> dict[str, str]:
    """The commands that docs/tracking.md shows for a server: by the first word of the comment above them."""
    page = (ROOT / "docs" / "tracking.md").read_text(encoding="utf-8")
    block = page.partition("## A server for a group")[2].split("```")[1]
    return {part.split()[0]: part.partition("\n")[2] for part in re.split(r"^# ", block, flags=re.M)[1:]}


@dataclass
class Lab:
    """The server, its database and who may use it."""

    database: lab.Database
    server: lab.Server
    passwords: dict[str, str]
    users: str

    def environment(self, user: str) -> dict[str, str]:
        """What a user has set, by the line shown."""
        line = self.users.replace("USERNAME=ana", f"USERNAME={user}")
        done = subprocess.run(
            ["bash", "-c", f"{line}\nenv -0"],
            env={"PASSWORD": self.passwords[user], "PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        known = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry.startswith("MLFLOW"))
        assert len(known) == 3
        return known


@pytest.fixture(scope="session")
def group() -> Iterator[Lab]:
    try:
        lab.check_machine()
        lab.install()
    except lab.Unfit as reason:
        pytest.exit(f"no test server on this machine: {reason}", returncode=1)
    with lab.own_folder() as folder:
        database = lab.Database(folder / "postgres")
        try:
            database.create()
            yield from _served(folder, database)
        finally:
            database.stop()


def _served(folder: Path, database: lab.Database) -> Iterator[Lab]:
    port = lab.free_port()
    here = {
        "0.0.0.0": "127.0.0.1",
        "--port 5000": f"--port {port}",
        "mlflow.lab:5000": f"127.0.0.1:{port}",
        "mlflow.lab": "127.0.0.1",
        "db.lab": database.address,
        "/srv/mlflow": str(folder / "artifacts"),
        "pip install": ": pip install",
    }
    commands = shown()
    for there, placed in here.items():
        assert there in commands["Whoever"], there
        commands = {who: command.replace(there, placed) for who, command in commands.items()}
    passwords = {name: lab.password() for name in ("admin", *USERS)}
    admin = {"ADMIN_PASSWORD": passwords["admin"], "PATH": os.environ["PATH"]}
    server = lab.Server(
        folder, commands["Whoever"], port,
        {"DB_PASSWORD": database.password, "ADMIN_PASSWORD": passwords["admin"], "SECRET": lab.password()},
    )  # fmt: skip
    try:
        server.start()
        for user in USERS:
            subprocess.run(
                ["bash", "-c", commands["Once"].replace("ana", user)],
                env={**admin, "PASSWORD": passwords[user]},
                check=True, capture_output=True,
            )  # fmt: skip
        yield Lab(database, server, passwords, commands["Each"])
    finally:
        server.kill()


@pytest.fixture
def lab_server(group) -> Lab:
    """The server, up whatever an earlier test did to it."""
    if not group.server.answers():
        group.server.kill()
        group.server.start()
    return group
