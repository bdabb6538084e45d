"""What a training writes of itself: its record and its history, and how it replaces an earlier one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from pixelcnn.config.run_spec import RunSpec
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Record
from pixelcnn.system import devices, provenance
from pixelcnn.system.errors import Interrupted, UserError
from pixelcnn.system.files import atomic, write_json


def begin(
    model: AutoregressiveModel,
    spec: RunSpec,
    run_dir: Path,
    device: torch.device,
    code: str,
    data_sha256: str,
    found: dict[str, Any] | None,
    precision: str,
) -> Record:
    """The run folder of a training that begins or resumes: nothing of what comes after.

    A `run_id` stands for one training, whose points MLflow never forgets: what starts from scratch gets a new
    one, and so does what resumes if validations that were shown already may come out otherwise this time.
    """
    folder = RunFolder(run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    for stale in folder.results:
        stale.unlink(missing_ok=True)
    lines = [] if found is None else found["history"]
    before = None if found is None else Record(**found["record"])
    commit, no_commit = provenance.commit_or_why()
    record = Record.new(
        spec,
        run_id=None if before is None else before.run_id,
        commit=commit,
        no_commit=no_commit,
        versions=provenance.versions(),
        device=devices.device_name(device),
        threads=torch.get_num_threads(),
        precision=precision,
        parameters=sum(p.numel() for p in model.parameters()),
        code=code,
        data_sha256=data_sha256,
    )
    if before is not None:
        record.started, record.resumes = before.started, before.resumes + 1
        record.resume_from(before)
        repeatable = device.type == "cpu" and record.changed == before.changed
        if not repeatable and _lines_on_disk(folder) > len(lines):
            record.run_id = Record.new_id()
    # Pictures and history may be ahead of the saved state, by steps that are now trained again.
    key = spec.training.counted_in
    kept = {folder.picture(line[key], key) for line in lines}
    for picture in set(folder.pictures().values()) - kept:
        picture.unlink(missing_ok=True)
    with atomic(folder.history_file) as temporary:
        temporary.write_text("".join(_line(line) for line in lines), encoding="utf-8")
    write_json(folder.spec_file, spec.to_json())
    record.write(folder.record_file)
    return record


def _lines_on_disk(folder: RunFolder) -> int:
    path = folder.history_file
    return path.read_text(encoding="utf-8").count("\n") if path.exists() else 0


def has_ended(folder: RunFolder, digest: str, data_sha256: str) -> bool:
    """Whether an attempt in a run's folder is a training of this spec on these data that came to its end."""
    try:
        record = folder.attempt.record()
    except (UserError, TypeError):
        return False  # damaged: as good as none
    wanted = (digest, data_sha256, "finished")
    return record is not None and (record.digest, record.data_sha256, record.status) == wanted


def adopt(folder: RunFolder) -> None:
    """Put the training that came to its end in the place of the one that a run's folder holds, if any.

    With that one goes what was made from it. Saved states stay with the attempt. Killed in the middle, it is
    whole once this is called again: the record, by which `has_ended` knows, is moved last.
    """
    new = folder.attempt
    if new.checkpoint.exists():  # else an earlier call came as far as that
        for void in set(folder.results) - {folder.checkpoint}:
            void.unlink(missing_ok=True)
        shutil.rmtree(folder.pictures_folder, ignore_errors=True)
        os.replace(new.checkpoint, folder.checkpoint)
    for name in (new.pictures_folder, new.history_file, new.spec_file, new.record_file):
        _move(name, folder.path / name.name)


def _move(source: Path, target: Path) -> None:
    if source.exists():
        os.replace(source, target)


@contextmanager
def recorded(record: Record, run_dir: Path) -> Iterator[None]:
    """The record ends as finished, as interrupted, or as failed with its reason, whatever that was."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, (Interrupted, KeyboardInterrupt, SystemExit))
        reason = str(error) if isinstance(error, Interrupted) else f"{type(error).__name__}: {error}"
        record.end("interrupted" if stopped else "failed", reason.removesuffix(": "))
        with suppress(OSError):  # a full disk cannot take the record either: what ended it matters more
            record.write(RunFolder(run_dir).record_file)
        raise
    record.end("finished")
    record.write(RunFolder(run_dir).record_file)


def _line(line: dict[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"


def append(path: Path, line: dict[str, Any]) -> None:
    """Add the line of a validation to a history."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(_line(line))
