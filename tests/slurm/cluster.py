"""A throw-away SLURM of one node on this machine, for tests: `python tests/slurm/cluster.py up`.

Takes Debian's packages and needs root: for a container or a machine that may be changed. It refuses to
touch a machine that has a SLURM of its own. The one thing outside its folder is /etc/slurm/*.conf, where
SLURM's commands look and which `down` removes again.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge", "slurm-wlm-basic-plugins")
#: Whatever TMPDIR says: `down` finds what another call's `up` has started.
FOLDER = Path("/var/tmp/pixelcnn-test-slurm")
SETTINGS = Path("/etc/slurm")
MARK = "# The throw-away SLURM of pixelcnn's tests\n"
DAEMONS = ("slurmd", "slurmctld", "munged")
CPUS = 8
KILL_WAIT = 30  # seconds

#: pgid: other process trackers need cgroups. An urgent job pushes scarce ones out, which are queued again.
#: bf_min_age_reserve: a job that waits for the one GPU holds up no others.
SLURM_CONF = (
    MARK
    + """\
ClusterName=pixelcnn
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SchedulerParameters=bf_min_age_reserve=3600,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait={kill_wait}
MinJobAge=3600
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:1
PartitionName=work Nodes=ALL Default=YES PriorityTier=1 PreemptMode=OFF
PartitionName=scarce Nodes=ALL PriorityTier=1
PartitionName=urgent Nodes=ALL PriorityTier=2
"""
)
GRES_CONF = MARK + "Name=gpu File=/dev/null\n"


class Unfit(Exception):
    """This machine cannot or must not have the test cluster; says why."""


def check_machine() -> None:
    """Raises `Unfit` unless this is root on a Debian without another SLURM."""
    release = Path("/etc/os-release")
    if os.name != "posix" or os.geteuid() != 0:
        raise Unfit("it needs root")
    if not release.exists() or "debian" not in release.read_text(encoding="utf-8"):
        raise Unfit("it needs Debian's packages")
    settings = SETTINGS / "slurm.conf"
    if os.environ.get("SLURM_CONF") or (
        settings.exists() and not settings.read_text(encoding="utf-8").startswith(MARK)
    ):
        raise Unfit("this machine has a SLURM, which it must not touch")
    if not settings.exists() and shutil.which("sinfo") and output("sinfo"):
        raise Unfit("this machine belongs to a SLURM, which it must not touch")


def install() -> None:
    """Install Debian's packages unless they are there; none of their services is started."""
    if all(shutil.which(program) for program in (*DAEMONS, "sbatch")):
        return
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "check": True}
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
    try:
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], **quiet)
    finally:
        if ours:
            policy.unlink()


def up() -> None:
    """Install, configure and start the cluster; returns when its node takes jobs."""
    check_machine()
    install()
    down()
    for folder in (FOLDER, FOLDER / "state", FOLDER / "spool"):
        folder.mkdir(mode=0o755)
    SETTINGS.mkdir(exist_ok=True)
    host = platform.node().split(".")[0]
    (SETTINGS / "slurm.conf").write_text(
        SLURM_CONF.format(host=host, folder=FOLDER, cpus=CPUS, kill_wait=KILL_WAIT), encoding="utf-8"
    )
    (SETTINGS / "gres.conf").write_text(GRES_CONF, encoding="utf-8")
    key = FOLDER / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    # --force: munged otherwise wants every folder above its files to be its own.
    start("munged", "--force", *(f"--{option}={FOLDER}/munge.{end}" for option, end in files.items()))
    start("slurmctld")
    start("slurmd", "-N", host)
    deadline = time.monotonic() + 60
    while "idle" not in (state := output("sinfo", "--noheader", "--format=%T")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the node did not come up in a minute ({state!r}); the logs are in {FOLDER}")
        time.sleep(0.2)


def down() -> None:
    """Stop the cluster's daemons and remove its files; nothing happens where there is none."""
    settings = SETTINGS / "slurm.conf"
    if settings.exists() and settings.read_text(encoding="utf-8").startswith(MARK):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(["scancel", "--user=root"], timeout=10, capture_output=True)
            # Their processes are ended by the daemons: KILL_WAIT seconds after they were asked to end.
            deadline = time.monotonic() + KILL_WAIT + 10
            while output("squeue", "--noheader") and time.monotonic() < deadline:
                time.sleep(0.2)
    for name in ("slurmd", "slurmctld", "munge"):
        stop(FOLDER / f"{name}.pid")
    for name in ("slurm.conf", "gres.conf"):
        path = SETTINGS / name
        if path.exists() and path.read_text(encoding="utf-8").startswith(MARK):
            path.unlink()
    shutil.rmtree(FOLDER, ignore_errors=True)


def start(daemon: str, *arguments: str) -> None:
    """Start a daemon, which puts itself into the background."""
    # Not captured: a daemon that inherits a pipe would keep its reader waiting.
    log = FOLDER / f"{daemon}.start.log"
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run([daemon, *arguments], stdout=stream, stderr=stream, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{daemon} did not start: {log.read_text(encoding='utf-8')}")


def stop(pid_file: Path) -> None:
    """End the daemon of a pid file, if it is still that process."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text(encoding="utf-8"))
        if Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() not in DAEMONS:
            return
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.1)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)


def output(*command: str) -> str:
    """What a command of SLURM prints; empty if it fails, as while the cluster comes up."""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def main() -> int:
    """`up`, `down`, or `fit`: whether this machine may have the cluster."""
    actions = {"up": up, "down": down, "fit": check_machine}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        print(f"usage: {sys.argv[0]} {'|'.join(actions)}", file=sys.stderr)
        return 2
    try:
        actions[sys.argv[1]]()
    except Unfit as reason:
        print(f"no test cluster on this machine: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
