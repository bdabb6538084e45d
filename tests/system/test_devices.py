"""What is asked of a GPU is asked of that of the run; memory at its peak, and where it runs out."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import torch
from support.pretended_gpu import GPU, plugged_in
from support.toy import toy

from pixelcnn.cli import runs
from pixelcnn.system import devices, gpus

CPU = torch.device("cpu")


@pytest.fixture
def two_gpus(monkeypatch):
    """The second of which multiplies bfloat16; `current` is what is asked of where no GPU is named."""
    current = [0]

    @contextlib.contextmanager
    def device(given):
        before, current[0] = current[0], torch.device(given).index
        yield
        current[0] = before

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "set_device", lambda given: current.__setitem__(0, given))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: current[0] == 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(uuid=f"uuid-{i}"))
    return current


@pytest.mark.parametrize(("index", "fast"), [(0, False), (1, True)])
def test_of_bfloat16_the_gpu_of_the_run_is_asked(two_gpus, index, fast):
    assert devices.has_fast_bfloat16(torch.device("cuda", index)) is fast
    assert two_gpus == [0], "left as it was"


def test_what_names_no_gpu_is_asked_of_the_claimed_one(two_gpus, tmp_path, monkeypatch):
    """Such as `torch.cuda.synchronize()` in a layer of the user's own."""
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    first = gpus.claim(devices.gpu_names())
    monkeypatch.setattr(runs, "_CLAIMS", [])
    chosen = runs.choose_dataset(toy(tmp_path), None, None).device()
    assert first.index == 0 and chosen == torch.device("cuda", 1) and two_gpus == [1]
    for claim in (first, *runs._CLAIMS):
        claim.release()


def test_memory_and_clocks_are_those_of_the_gpu_of_the_run(monkeypatch):
    with plugged_in(monkeypatch) as gpu:  # which refuses to be asked about another one
        devices.forget_peak_memory(GPU)
        devices.synchronize(GPU)
        assert devices.peak_memory_bytes(GPU) == 2**20
        assert devices.device_name(GPU) == "a GPU that is none"
    assert gpu.asked == [
        "reset_peak_memory_stats",
        "synchronize",
        "max_memory_allocated",
        "get_device_name",
    ]


@pytest.mark.skipif(not devices._CLEAR_REFS.exists(), reason="Linux lets a process count anew")
def test_the_peak_is_that_since_it_was_forgotten():
    size = 200 * 2**20
    devices.forget_peak_memory(CPU)
    before = devices.peak_memory_bytes(CPU)
    held = bytearray(size)
    assert devices.peak_memory_bytes(CPU) > before + 0.9 * size
    del held
    assert devices.peak_memory_bytes(CPU) > before + 0.9 * size
    devices.forget_peak_memory(CPU)
    assert devices.peak_memory_bytes(CPU) < before + 0.5 * size


def test_where_nothing_can_be_forgotten_the_peak_is_that_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_CLEAR_REFS", tmp_path / "not" / "there")
    monkeypatch.setattr(devices, "_STATUS", tmp_path / "status")
    devices.forget_peak_memory(CPU)
    assert devices.peak_memory_bytes(CPU) > 50e6, "as the system counts"
    (tmp_path / "status").write_text(
        "VmPeak:\t  99 kB\nVmHWM:\t  1000 kB\nVmRSS:\t  10 kB\n", encoding="utf-8"
    )
    assert devices.peak_memory_bytes(CPU) == 1_024_000


@pytest.mark.parametrize(
    ("batch_size", "advice"),
    [
        (2, "lower training.batch_size, which is 2"),
        (
            1,
            "training.batch_size is 1 already, what is left is a smaller network (hyperparameters) or a "
            "smaller image_size",
        ),
    ],
)
def test_a_batch_of_one_image_cannot_be_lowered(batch_size, advice):
    assert devices.smaller("training.batch_size", batch_size) == advice
