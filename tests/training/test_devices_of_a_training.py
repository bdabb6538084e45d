"""Seconds, memory and exactness of a training on its device, and the advice where memory runs out."""

from __future__ import annotations

import signal

import pytest
import torch
from support.small import prepared, run_spec

from pixelcnn.analysis import classifier
from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.evaluation import likelihoods
from pixelcnn.models import registry
from pixelcnn.models.base import AutoregressiveModel
from pixelcnn.results.folder import RunFolder
from pixelcnn.system import devices
from pixelcnn.system.errors import Interrupted, RunFailed
from pixelcnn.training import clock, loop, state
from pixelcnn.training.loop import Observer, fit, image_spec
from pixelcnn.training.step import TrainingStep

CPU = torch.device("cpu")
DATA = prepared(20)  # three steps an epoch
STEP, SAVING = 150.0, 40.0


def train(run_dir, *, saving=None, epochs=2, batch_size=8, **observed):
    spec = run_spec("independent", epochs=epochs, batch_size=batch_size, precision="float32")
    model, _ = registry.build_model(spec.variant, image_spec(DATA))
    return fit(
        model, DATA, spec,
        run_dir=run_dir, device=CPU, saving=saving, observer=Observer(**observed),
    )  # fmt: skip


def stop_at(call):
    asked = iter([None] * (call - 1) + [signal.SIGTERM])
    return lambda: next(asked)


# ------------------------------------------------------------------------------ seconds


class Gpu:
    """Stands for `time`: steps are only begun, and the clock passes by while one waits for them."""

    def __init__(self) -> None:
        self.now, self.begun = 1000.0, 0.0

    def perf_counter(self) -> float:
        return self.now

    monotonic = perf_counter

    def wait(self, device) -> None:
        assert device == CPU
        self.now, self.begun = self.now + self.begun, 0.0


@pytest.fixture
def gpu(monkeypatch):
    gpu, step, save = Gpu(), TrainingStep.__call__, state.save

    def begin(self, x, y):
        gpu.begun += STEP
        return step(self, x, y)

    def saving(*arguments):
        assert not gpu.begun, "what is begun would count as saving"
        gpu.now += SAVING
        save(*arguments)

    monkeypatch.setattr(clock, "time", gpu)
    monkeypatch.setattr(state, "time", gpu)
    monkeypatch.setattr(state, "save", saving)
    monkeypatch.setattr(TrainingStep, "__call__", begin)
    monkeypatch.setattr(devices, "synchronize", gpu.wait)
    return gpu


@pytest.mark.parametrize("minutes", [None, 0, 4])
def test_seconds_are_read_once_the_gpu_has_done_its_steps(tmp_path, gpu, minutes):
    train(tmp_path, saving=SavingSpec(minutes=minutes))
    assert [line["seconds"] for line in RunFolder(tmp_path).history()] == [3 * STEP, 6 * STEP]
    assert RunFolder(tmp_path).record().training_seconds == 6 * STEP


def test_seconds_of_an_epoch_that_was_interrupted_are_those_of_all_its_steps(tmp_path, gpu):
    with pytest.raises(Interrupted):
        train(tmp_path, signal=stop_at(2))
    train(tmp_path)
    assert [line["seconds"] for line in RunFolder(tmp_path).history()] == [3 * STEP, 6 * STEP]


# ------------------------------------------------------------------------------ exactness


@pytest.fixture
def tf32(monkeypatch):
    """A process in which TF32 is switched on; notes whether it is, at every pass through a network."""
    flags, seen = (torch.backends.cudnn, torch.backends.cuda.matmul), []
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = True

    def note(module, args, kwargs=None):
        seen.append(any(flag.allow_tf32 for flag in flags))

    handle = torch.nn.modules.module.register_module_forward_pre_hook(note)
    yield seen
    handle.remove()
    for flag, value in zip(flags, before, strict=True):
        flag.allow_tf32 = value


def test_every_step_of_a_training_is_exact_and_those_after_it_resumed(tmp_path, tf32):
    with pytest.raises(Interrupted):
        train(tmp_path, signal=stop_at(2))
    assert tf32 and not any(tf32)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    train(tmp_path)
    assert not any(tf32)


def test_a_classifier_is_trained_exactly(tf32, monkeypatch):
    monkeypatch.setattr(classifier, "MOST_STEPS", 2)
    classifier.train_classifier(DATA, CPU)
    assert tf32 and not any(tf32)


# ------------------------------------------------------------------------------ memory


class Memory:
    """A process that holds `held` bytes, or more for a while."""

    def __init__(self) -> None:
        self.held = self.peak = 1000

    def takes(self, size: int) -> None:
        self.peak = max(self.peak, self.held + size)


@pytest.fixture
def memory(monkeypatch):
    """Steps take 50, validations 200 and pictures, after the first epoch, 10,000."""
    memory, forward = Memory(), AutoregressiveModel.forward

    def passing(self, x, y=None):
        memory.takes(50 if self.training else 200)
        return forward(self, x, y)

    def forget(device):
        memory.peak = memory.held

    monkeypatch.setattr(AutoregressiveModel, "forward", passing)
    monkeypatch.setattr(devices, "forget_peak_memory", forget)
    monkeypatch.setattr(devices, "peak_memory_bytes", lambda device: memory.peak)
    return memory


def test_peak_memory_is_that_of_the_training_without_pictures_and_without_what_was_before(tmp_path, memory):
    memory.takes(5000)
    train(tmp_path, epochs=3, pictures=lambda epoch, model: memory.takes(10_000))
    assert RunFolder(tmp_path).record().peak_memory_bytes == 1200


@pytest.mark.parametrize(("first", "second"), [(5000, 0), (0, 5000)])
def test_peak_memory_of_a_training_that_resumed_is_that_of_its_largest_process(
    tmp_path, memory, first, second
):
    memory.held = 1000 + first
    with pytest.raises(Interrupted):
        train(tmp_path, signal=stop_at(5))  # in the second epoch
    memory.held = 1000 + second
    train(tmp_path, pictures=lambda epoch, model: memory.takes(10_000))
    assert RunFolder(tmp_path).record().peak_memory_bytes == 6200


# ------------------------------------------------------------------------------ memory that runs out

LEFT = "what is left is a smaller network (hyperparameters) or a smaller image_size"


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize(
    ("where", "batch_size", "advice"),
    [
        ("step", 8, "lower training.batch_size, which is 8"),
        ("step", 1, f"training.batch_size is 1 already, {LEFT}"),
        ("validation", 8, f"in validation, of 250 images together; {LEFT}"),
        ("validation", 1, f"in validation, of 250 images together; {LEFT}"),
        ("begin", 8, f"for the weights and the training images; {LEFT}"),
    ],
)
def test_where_memory_runs_out_the_advice_names_what_helps_there(
    tmp_path, monkeypatch, where, batch_size, advice, on_gpu
):
    forward = AutoregressiveModel.forward

    def passing(self, x, y=None):
        if self.training is (where == "step"):
            raise torch.OutOfMemoryError("of the test") if on_gpu else MemoryError("of the test")
        return forward(self, x, y)

    def ending(*arguments):
        raise torch.OutOfMemoryError("of the test") if on_gpu else MemoryError("of the test")

    if where == "begin":
        monkeypatch.setattr(loop, "Batches", ending)
    else:
        monkeypatch.setattr(AutoregressiveModel, "forward", passing)
    with pytest.raises(RunFailed) as raised:
        train(tmp_path, batch_size=batch_size)
    name = "GPU" if on_gpu else "CPU"
    assert str(raised.value) == f"the {name} is out of memory: {advice} (of the test)"
    assert RunFolder(tmp_path).record().error == f"RunFailed: {raised.value}"


def test_the_advice_of_a_validation_counts_the_images_that_it_takes_together(tmp_path, monkeypatch):
    monkeypatch.setattr(likelihoods, "BATCH_SIZE", 7)
    monkeypatch.setattr(loop, "BATCH_SIZE", 7)
    seen, forward = [], AutoregressiveModel.forward

    def passing(self, x, y=None):
        if not self.training:
            seen.append(len(x))
            raise MemoryError
        return forward(self, x, y)

    monkeypatch.setattr(AutoregressiveModel, "forward", passing)
    with pytest.raises(RunFailed, match=rf"of {min(7, len(DATA.splits['valid'].images))} images together"):
        train(tmp_path)
    assert seen == [7]
