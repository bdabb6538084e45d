"""What must be the same for a file to be decoded: the model, the code, the software and the processor.

A decoder computes the probabilities again. If one of them is rounded otherwise, all that follows is noise.
So a file names by digests what decides the rounding, and another place says what differs and decodes nothing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version

import torch

from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.checkpoint import Checkpoint
from pixelcnn.system import devices
from pixelcnn.system.code_digest import code_files, digest_of

#: Modules whose code decides a probability, or the order in which levels are coded.
CODE = (
    "coding.choosers",
    "coding.codec",
    "coding.entropy",
    "incremental",
    "layers",
    "likelihoods",
    "models.base",
    "sampling.fast",
    "sampling.reference",
    "sampling.replay",
    "sampling.runs",
)
#: By these the libraries below torch choose other instructions or orders of summing.
VARIABLES = ("DNNL_MAX_CPU_ISA", "MKL_CBWR", "MKL_DYNAMIC", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA")


def model_digest(trained: Checkpoint, model: AutoregressiveModel) -> bytes:
    """SHA-256 of what a model is: its weights and buffers, and what they are the weights of."""
    variant = trained.spec.variant
    own = [sorted(trained.spec.own_files.get(key, {}).values()) for key in ("model", "likelihood")]
    image = [model.image_shape, model.image.levels, model.image.classes]
    said = [variant.hyperparameters, variant.likelihood_hyperparameters, own, image]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.digest()


@functools.cache
def coding_code_digest(model: str) -> bytes:
    """SHA-256 of the package's code that decides how the images of an architecture are coded."""
    return bytes.fromhex(digest_of(code_files(model, pinned=CODE)))


def software() -> str:
    """The libraries that compute, and their settings."""
    flags = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    settings = {
        "float32": torch.get_float32_matmul_precision(),
        "mkldnn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        **flags,
    }
    told = " ".join(f"{key}={value}" for key, value in settings.items())
    return f"torch {torch.__version__}, constriction {version('constriction')}, {told}"


def processor() -> str:
    """The processor, and which of its instructions torch takes."""
    name, taken = devices.device_name(torch.device("cpu")), torch.backends.cpu.get_cpu_capability()
    return f"{name}, {platform.machine()} {taken}"


@contextlib.contextmanager
def fixed(threads: int) -> Iterator[None]:
    """What can be set is set: so many threads, evaluation alone, no autocast, denormal numbers kept."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)
    devices.exact_float32()
    try:
        with torch.autocast("cpu", enabled=False):
            yield
    finally:
        torch.set_num_threads(before)
