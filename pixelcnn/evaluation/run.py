"""The test results of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pixelcnn.data.prepared import PreparedData
from pixelcnn.evaluation.likelihoods import class_prior, evaluate
from pixelcnn.evaluation.units import bits_per_dim, perplexity
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.results.folder import RunFolder
from pixelcnn.results.records import Metrics
from pixelcnn.system.code_digest import code_digest
from pixelcnn.system.errors import RunFailed
from pixelcnn.system.files import atomic


def evaluate_run(
    trained: Checkpoint,
    data: PreparedData,
    device: torch.device,
    run_dir: Path,
    batch_size: int | None = None,
) -> Metrics:
    """Test results of a checkpoint's EMA weights; writes metrics.json and nats.npz.

    `batch_size` is that of `evaluate`.

    Raises:
        UserError: if the checkpoint was trained on other data.
        RunFailed: if a likelihood is NaN or infinite.
    """
    trained.require_data(data.sha256, run_dir)
    started = time.perf_counter()
    model, likelihood = trained.model()
    model.to(device)
    conditional = model.image.classes is not None
    test = evaluate(
        model,
        likelihood,
        data.splits["test"],
        all_classes=conditional,
        by_channel=model.image.channels > 1,
        batch_size=batch_size,
    )
    metrics = Metrics(
        digest=trained.spec.digest,
        data_sha256=data.sha256,
        split="test",
        images=len(test.per_image),
        dims=data.dims,
        levels=data.levels,
        nll=test.nll,
        bits_per_dim=bits_per_dim(test.nll, data.dims),
        perplexity=perplexity(test.nll, data.dims),
        seconds=time.perf_counter() - started,
        code=code_digest(trained.spec.variant.model),
    )
    arrays: dict[str, Any] = {"per_image": test.per_image, "per_pixel": test.per_pixel}
    if test.per_channel is not None:
        arrays["per_channel"] = test.per_channel
    if model.image.classes is not None:
        marginal = test.marginal(class_prior(data.splits["train"], model.image.classes))
        nll = float(marginal.mean())
        metrics = replace(
            metrics,
            marginal_nll=nll,
            marginal_bits_per_dim=bits_per_dim(nll, data.dims),
            marginal_perplexity=perplexity(nll, data.dims),
            accuracy=test.accuracy(),
        )
        arrays |= {"marginal_per_image": marginal, "by_class": test.by_class}
    folder = RunFolder(run_dir)
    with atomic(folder.nats) as temporary:
        np.savez_compressed(temporary, **arrays)
    metrics.write(folder.metrics_file)
    return metrics


@contextmanager
def noted_in_record(run_dir: Path, what: str = "evaluation") -> Iterator[None]:
    """Note in the record of a trained run whether its evaluation, or `what` the block is, went well.

    A run without a finite likelihood has failed, however well it trained.
    """
    folder = RunFolder(run_dir)
    record = folder.record()
    try:
        yield
    except RunFailed as error:
        if record is not None:
            record.end("failed", f"{what}: {error}")
            record.write(folder.record_file)
        raise
    if record is not None and record.status == "failed" and (record.error or "").startswith(f"{what}: "):
        # There is a checkpoint, so the training had ended well: what failed was an earlier one of these.
        record.end("finished")
        record.write(folder.record_file)
