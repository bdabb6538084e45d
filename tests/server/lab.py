"""A throw-away MLflow server as a group has it: PostgreSQL, served artifacts, basic authentication.

`python tests/server/lab.py fit` says whether this machine may have it. Takes Debian's PostgreSQL and needs
root to install it, though not to run it. All that it writes is in a folder of its own, and it listens on this
machine only; a PostgreSQL that Debian may run here is left alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

PROGRAMS = Path("/usr/lib/postgresql")  # by version: Debian puts them on no path
SETTINGS = Path("/etc/postgresql-common/createcluster.conf")
ACCOUNT = "postgres"  # that Debian's package makes
START_SECONDS = 180
DATABASES = ("mlflow", "mlflow_auth")
#: Of every password here, so that a test finds one that is told.
SECRET = "5ecret"

AUTH_INI = """\
[mlflow]
default_permission = {permission}
database_uri = {uri}_auth
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


class Unfit(Exception):
    """This machine cannot have the server; says why."""


def check_machine() -> None:
    """Raises `Unfit` unless this is root on Debian."""
    release = Path("/etc/os-release")
    if os.name != "posix" or os.geteuid() != 0:
        raise Unfit("it needs root")
    if not release.exists() or "debian" not in release.read_text(encoding="utf-8"):
        raise Unfit("it needs Debian's packages")


def programs() -> Path | None:
    """The folder of the newest PostgreSQL."""
    found = sorted(PROGRAMS.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def install() -> None:
    """Install Debian's PostgreSQL unless it is there; it gets no database of its own, and is not started."""
    check_machine()
    if programs():
        return
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "check": True}
    get = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run([*get, "postgresql-common"], **quiet)
        with SETTINGS.open("a", encoding="utf-8") as stream:  # what comes last counts
            stream.write("create_main_cluster = false\n")
        subprocess.run([*get, "postgresql"], **quiet)
    finally:
        if ours:
            policy.unlink()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def password() -> str:
    return SECRET + secrets.token_hex(8)


class Database:
    """A PostgreSQL that asks for a password, with the two empty databases of an MLflow server."""

    def __init__(self, folder: Path) -> None:
        found = programs()
        assert found is not None, "not installed"
        self._programs, self._data, self._log = found, folder / "data", folder / "postgres.log"
        self.folder, self.port, self.password = folder, free_port(), password()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg2://mlflow:{self.password}@{self.address}/mlflow"

    def create(self) -> None:
        self.folder.mkdir()
        shutil.chown(self.folder, ACCOUNT, ACCOUNT)
        (known := self.folder / "password").write_text(self.password, encoding="utf-8")
        shutil.chown(known, ACCOUNT, ACCOUNT)
        self._run(
            "initdb", "-D", self._data, "-U", "mlflow", "-A", "scram-sha-256", f"--pwfile={known}", "-N"
        )
        self.start()
        for name in DATABASES:
            self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "mlflow", name)

    def start(self) -> None:
        options = ["-D", self._data, "-h", "127.0.0.1", "-p", self.port, "-k", self.folder, "-F"]
        with self._log.open("ab") as stream:
            self._process = subprocess.Popen(
                [self._programs / "postgres", *map(str, options)],
                user=ACCOUNT, group=ACCOUNT, extra_groups=[], cwd=self.folder, stdout=stream, stderr=stream,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready).returncode != 0:
            assert self._process.poll() is None and time.monotonic() < until, self._log.read_text(
                encoding="utf-8"
            )
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGINT) -> None:
        """SIGINT lets it end at once and in order; SIGQUIT is what a crash is to it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def ask(self, query: str, database: str = DATABASES[0]) -> str:
        """What one of the server's databases answers to SQL, as lines of values."""
        return self._run(
            "psql", "-h", "127.0.0.1", "-p", self.port, "-U", "mlflow", "-At", "-c", query, database
        )

    def dump(self) -> str:
        """All that the server keeps in its databases."""
        options = ["-h", "127.0.0.1", "-p", self.port, "-U", "mlflow"]
        return "".join(self._run("pg_dump", *options, "--inserts", name) for name in DATABASES)

    def _run(self, program: str, *arguments: object) -> str:
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            user=ACCOUNT, group=ACCOUNT, extra_groups=[], cwd=self.folder, capture_output=True, text=True,
            env={**os.environ, "PGPASSWORD": self.password},
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout


class Server:
    """The MLflow server on that database. `command` is that of docs/tracking.md, with this one's places."""

    def __init__(self, folder: Path, command: str, port: int, environment: Mapping[str, str]) -> None:
        self.folder, self.port, self.log = folder, port, folder / "mlflow.log"
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with self.log.open("ab") as stream:
            self._process = subprocess.Popen(
                ["bash", "-c", self._command],
                env={**os.environ, "PATH": path, **self._environment},
                cwd=self.folder, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self._process.poll() is None and time.monotonic() < until, self.log.read_text(
                encoding="utf-8"
            )[-3000:]
            time.sleep(0.2)

    def kill(self) -> None:
        """End it and its workers by SIGKILL, in whatever they were doing."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(60)
            self._process = None

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False


@contextlib.contextmanager
def own_folder():
    """A folder that other users may look into, as PostgreSQL's does; removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="pixelcnn-server-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """`fit`: whether this machine may have the server; `install`: PostgreSQL."""
    actions = {"fit": check_machine, "install": install}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        print(f"usage: {sys.argv[0]} {'|'.join(actions)}", file=sys.stderr)
        return 2
    try:
        actions[sys.argv[1]]()
    except Unfit as reason:
        print(f"no test server on this machine: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
