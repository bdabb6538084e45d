"""What machine a run is on: device, precision, memory, versions, commit."""

from __future__ import annotations

import contextlib
import ctypes
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from pixelcnn.system.errors import RunFailed, UserError


def tune_allocator() -> bool:
    """Keep freed memory in the process, as training steps ask for the same sizes again.

    glibc returns large blocks to the system at once, and every step pays page faults for them.
    Sets M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD; False where the C library is another.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4
    settings = ((m_mmap_max, 0), (m_trim_threshold, 2**31 - 1), (m_top_pad, 64 * 2**20))
    return all([libc.mallopt(option, value) == 1 for option, value in settings])


def choose_device(wanted: str) -> torch.device:
    """`auto` takes a GPU if there is one.

    Raises:
        UserError: if cuda is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise UserError("device: cuda was asked for, but torch finds no GPU; use device: auto or cpu")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def gpu_names() -> list[str]:
    """The GPUs that torch sees, by names that are the same in every process of this machine."""
    found = range(torch.cuda.device_count())
    return [str(torch.cuda.get_device_properties(i).uuid) for i in found]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; False on a CPU where it is not Linux."""
    if device.type == "cuda":
        with torch.cuda.device(device):  # what is asked is asked of the current one
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():  # not Linux: no portable way to ask, and float32 is always right
        return False
    flags = next(
        (line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("flags")), ""
    )
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags.split())


def exact_float32() -> None:
    """Make float32 mean float32 on GPUs, too: no TF32, which rounds the factors to 10 bits."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


#: Where Linux says how much memory this process has held at most, and lets it count anew.
_STATUS, _CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")

#: What is left to do where memory runs out whatever the size of a batch.
SMALLER_STILL = "what is left is a smaller network (hyperparameters) or a smaller image_size"
#: How torch says that memory of the CPU ran out: a RuntimeError with one of these in it.
_CPU_MEMORY = (
    "DefaultCPUAllocator",
    "can't allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "size calculation overflowed",  # more bytes than there are numbers for
)


def smaller(key: str, batch_size: int) -> str:
    """What to do where memory runs out, and `key` says how many images are worked on together."""
    if batch_size > 1:
        return f"lower {key}, which is {batch_size}"
    return f"{key} is 1 already, {SMALLER_STILL}"


@contextlib.contextmanager
def out_of_memory(advice: str) -> Iterator[None]:
    """Memory that runs out in the block, of a GPU or of the CPU, becomes one message with `advice`.

    Raises:
        RunFailed: in the place of torch's and Python's own errors.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        on_gpu = isinstance(error, torch.OutOfMemoryError)
        known = on_gpu or isinstance(error, MemoryError)
        if not known and not any(words in str(error) for words in _CPU_MEMORY):
            raise
        reason = (str(error).splitlines() or ["no reason given"])[0]
        where = "the GPU" if on_gpu else "the CPU"
        raise RunFailed(f"{where} is out of memory: {advice} ({reason})") from error


def synchronize(device: torch.device) -> None:
    """Wait for what a GPU was given to do, before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def device_name(device: torch.device) -> str:
    """The product name of the GPU or CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return f"CPU {model or platform.processor() or platform.machine()}"


def forget_peak_memory(device: torch.device) -> None:
    """Have `peak_memory_bytes` count from now on: after it the peak is what is held now.

    On a CPU only where Linux allows it; elsewhere the peak stays that of the whole process.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)  # what is free again belongs to no one, see `tune_allocator`
        _CLEAR_REFS.write_text("5", encoding="utf-8")


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory of this process: on the GPU what torch allocated, else the resident set.

    Since `forget_peak_memory`, or since the process began.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = _STATUS.read_text(encoding="utf-8").splitlines() if _STATUS.exists() else []
    for line in status:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource  # Unix only

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
