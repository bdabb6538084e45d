"""The training recipe, number for number: a model of two weights, trained here and in plain Python."""

from __future__ import annotations

import copy
import hashlib
import math
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.small import prepared, run_spec
from torch import nn

from pixelcnn.config.benchmark import SavingSpec
from pixelcnn.config.run_spec import TrainingSpec
from pixelcnn.data.contract import Split
from pixelcnn.data.prepared import PreparedData
from pixelcnn.likelihoods.bernoulli import Bernoulli
from pixelcnn.models.base import AutoregressiveModel, ImageSpec
from pixelcnn.results.folder import RunFolder
from pixelcnn.system.errors import Interrupted
from pixelcnn.system.seeding import derived_seed
from pixelcnn.training.average import ema_decay
from pixelcnn.training.batches import Batches
from pixelcnn.training.loop import Observer, fit
from pixelcnn.training.optimizers import learning_rate_factor
from pixelcnn.training.step import TrainingStep

CPU = torch.device("cpu")
START = (0.8, -0.6)
DIMS = 3


class Line(nn.Module):
    """The logit of a pixel is a + b · (the pixel to its left as -1 or 1, the first one sees 0)."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor(b, dtype=torch.float64))

    def forward(self, features, y):
        return self.a + self.b * F.pad(features[:, :1, :, :-1], (1, 0))


class Pair(AutoregressiveModel):
    """Binary images of 1 x 3 pixels, described by two weights in float64."""

    def __init__(self, start=START) -> None:
        super().__init__(start, ImageSpec(1, 1, DIMS, 2), 1)

    def build(self, hyperparameters):
        return Line(*hyperparameters)


def pair(weights) -> list[float]:
    """a and b of a model or of its saved weights."""
    values = weights.state_dict() if isinstance(weights, nn.Module) else weights
    return [values["network.a"].item(), values["network.b"].item()]


class ByHand:
    """The recipe with floats and formulas alone; an image is three numbers, 0 or 1."""

    def __init__(self, start, spec: TrainingSpec, total: int) -> None:
        self.weights, self.averaged = list(start), list(start)
        self.first, self.second = [0.0, 0.0], [0.0, 0.0]
        self.spec, self.total, self.done = spec, total, 0

    def learning_rate(self) -> float:
        """That of the next step."""
        warm, step, most = self.spec.warmup_steps, self.done, self.spec.learning_rate
        if step < warm:
            return most * (step + 1) / (warm + 1)
        return most * (1 + math.cos(math.pi * (step - warm) / (self.total - warm))) / 2

    def step(self, images) -> tuple[float, float]:
        spec, rate = self.spec, self.learning_rate()
        self.done += 1
        nats, gradient = 0.0, [0.0, 0.0]
        for image in images:
            for left, pixel in zip(lefts(image), image, strict=True):
                p = 1 / (1 + math.exp(-self.weights[0] - self.weights[1] * left))
                nats -= math.log(p if pixel else 1 - p) / len(images)
                gradient[0] += (p - pixel) / (len(images) * DIMS)
                gradient[1] += (p - pixel) * left / (len(images) * DIMS)
        norm = math.hypot(*gradient)
        shrunk = min(1.0, spec.gradient_clip / (norm + 1e-6))  # torch keeps this far from a division by zero
        decay = min(spec.ema_decay, self.done / (9 + self.done))
        for i in range(2):
            g = gradient[i] * shrunk
            if spec.optimizer == "adam":  # the decay is part of the gradient
                g += spec.weight_decay * self.weights[i]
            else:  # the decay is a shrinking of its own
                self.weights[i] -= rate * spec.weight_decay * self.weights[i]
            self.first[i] = 0.9 * self.first[i] + 0.1 * g
            self.second[i] = 0.999 * self.second[i] + 0.001 * g * g
            mean = self.first[i] / (1 - 0.9**self.done)
            size = math.sqrt(self.second[i] / (1 - 0.999**self.done)) + 1e-8
            self.weights[i] -= rate * mean / size
            self.averaged[i] = decay * self.averaged[i] + (1 - decay) * self.weights[i]
        return nats, norm


def lefts(image) -> list[int]:
    return [0, *(1 if pixel else -1 for pixel in image[:-1])]


def nll(weights, images) -> float:
    """Nats per image."""
    total = 0.0
    for image in images:
        for left, pixel in zip(lefts(image), image, strict=True):
            logit = weights[0] + weights[1] * left
            total += math.log1p(math.exp(-logit if pixel else logit))
    return total / len(images)


def tensor(images) -> torch.Tensor:
    return torch.tensor(images).reshape(len(images), 1, 1, DIMS)


# ------------------------------------------------------------------------------ one step

#: Ten batches of unequal size.
BATCHES = [
    [[1, 0, 1], [0, 1, 1], [1, 1, 0]],
    [[0, 0, 0]],
    [[1, 1, 1], [1, 0, 0], [0, 1, 1], [1, 0, 1]],
    [[0, 1, 0], [0, 0, 1]],
    [[1, 1, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0]],
    [[0, 0, 0]],
    [[1, 0, 1], [0, 0, 1]],
    [[1, 1, 1]],
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]],
    [[0, 0, 1], [1, 1, 1]],
]
RECIPE = TrainingSpec(
    epochs=1,
    optimizer="adamw",
    learning_rate=0.11,
    weight_decay=0.7,
    warmup_steps=3,
    gradient_clip=0.25,
    ema_decay=0.42,
    precision="float32",
)


@pytest.mark.parametrize("went_on_after", [None, 5])
@pytest.mark.parametrize("optimizer", ["adamw", "adam"])
def test_ten_steps_are_those_of_the_formulas(optimizer, went_on_after):
    spec = replace(RECIPE, optimizer=optimizer)
    step = TrainingStep(Pair(), Bernoulli(), spec, len(BATCHES), "float32")
    expected = ByHand(START, spec, len(BATCHES))
    norms = []
    for number, batch in enumerate(BATCHES):
        if number == went_on_after:
            saved = copy.deepcopy(step.state())
            step = TrainingStep(Pair((5.0, 5.0)), Bernoulli(), spec, len(BATCHES), "float32")
            step.restore(saved)
        assert step.learning_rate == pytest.approx(expected.learning_rate(), rel=1e-12)
        nats, norm = step(tensor(batch), None)
        assert (nats.item(), norm.item()) == pytest.approx(expected.step(batch), rel=1e-9)
        assert pair(step.model) == pytest.approx(expected.weights, rel=1e-9), number
        assert pair(step.ema.model) == pytest.approx(expected.averaged, rel=1e-9), number
        norms.append(norm.item())
    assert sum(norm > spec.gradient_clip for norm in norms) == 5, "half of the gradients are clipped"
    assert step.learning_rate == pytest.approx(0, abs=1e-12), "it ends at nothing"


def test_a_step_gives_plain_numbers_and_leaves_no_gradient():
    step = TrainingStep(Pair(), Bernoulli(), RECIPE, 10, "float32")
    nats, norm = step(tensor(BATCHES[0]), None)
    assert not nats.requires_grad and not norm.requires_grad
    assert all(p.grad is None for p in step.model.parameters())
    assert not step.ema.model.training and not any(p.requires_grad for p in step.ema.model.parameters())


@pytest.mark.parametrize(
    ("step", "total", "warmup", "factor"),
    [
        (0, 8, 0, 1.0),  # no warm-up: the cosine from its top
        (2, 8, 0, (1 + math.sqrt(0.5)) / 2),
        (4, 8, 0, 0.5),
        (6, 8, 0, (1 - math.sqrt(0.5)) / 2),
        (0, 20, 4, 0.2),
        (3, 20, 4, 0.8),
        (4, 20, 4, 1.0),
        (8, 20, 4, (1 + math.sqrt(0.5)) / 2),
        (3, 3, 4, 0.8),  # a training that ends in its warm-up
        (4, 4, 4, 1.0),
    ],
)
def test_the_learning_rate_by_hand(step, total, warmup, factor):
    assert learning_rate_factor(step, total, warmup) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(
    ("updates", "decay"), [(0, 0.1), (1, 2 / 11), (8, 0.5), (80, 0.9), (89, 10 / 11), (90, 0.91), (900, 0.91)]
)
def test_the_decay_of_the_average_by_hand(updates, decay):
    assert ema_decay(updates, 0.91) == pytest.approx(decay, rel=1e-12)


# ------------------------------------------------------------------------------ seeds and batches


def sha_seed(seed: int, purpose: str) -> int:
    return int(hashlib.sha256(f"{seed}/{purpose}".encode()).hexdigest()[:16], 16) // 2


def test_seeds_are_half_of_the_first_64_bits_of_a_sha_256():
    assert derived_seed(0, "data order") == 7_159_696_962_517_958_688  # printf '0/data order' | sha256sum
    assert derived_seed(7, "initialisation") == 2_863_736_146_990_721_210
    assert derived_seed(12, "dropout") == sha_seed(12, "dropout")


def test_order_and_binarization_come_from_seeds_of_their_own():
    grey = np.random.default_rng(0).integers(0, 256, (10, 1, 1, DIMS), dtype=np.uint8)
    data = replace(small(grey, grey[:2] > 127), train_is_intensity=True)
    batches = Batches(data, run_spec(seed=3, batch_size=4), CPU)
    order = torch.Generator().manual_seed(sha_seed(3, "data order"))
    noise = np.random.default_rng(sha_seed(3, "binarization"))
    for _ in range(2):
        binary = noise.random(grey.shape, dtype=np.float32) < grey / np.float32(255)
        expected = binary[torch.randperm(10, generator=order).numpy()]
        got = list(batches.epoch())
        assert [len(x) for x, _ in got] == [4, 4, 2] and len(batches) == 3
        assert torch.cat([x for x, _ in got]).tolist() == expected.tolist()


# ------------------------------------------------------------------------------ a whole training


def small(train, valid) -> PreparedData:
    """Unlabelled binary images of 1 x 3 pixels."""
    splits = {
        name: Split(np.array(images, np.uint8).reshape(-1, 1, 1, DIMS))
        for name, images in (("train", train), ("valid", valid), ("test", [[0, 0, 0]]))
    }
    return replace(prepared(labelled=False), splits=splits)


#: At batches of three the last one has a single image, which is unlike the others.
TRAIN = [[1, 1, 1], [1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0]]
VALID = [[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]


def train_by_hand(spec, train=TRAIN, valid=VALID):
    """History lines without times; weights and averaged weights after each epoch."""
    recipe, batches = spec.training, math.ceil(len(train) / spec.training.batch_size)
    order = torch.Generator().manual_seed(sha_seed(spec.seed, "data order"))
    hand = ByHand(START, recipe, recipe.epochs * batches)
    lines, weights, averaged = [], [], []
    for epoch in range(1, recipe.epochs + 1):
        shuffled = [train[i] for i in torch.randperm(len(train), generator=order).tolist()]
        nats, norms = 0.0, []
        for start in range(0, len(train), recipe.batch_size):
            batch = shuffled[start : start + recipe.batch_size]
            found, norm = hand.step(batch)
            nats += found * len(batch)
            norms.append(norm)
        lines.append(
            {
                "epoch": epoch,
                "images": epoch * len(train),
                "step": epoch * batches,
                "train_nll": nats / len(train),
                "valid_nll": nll(hand.averaged, valid),
                "learning_rate": hand.learning_rate(),
                "gradient_norm": sum(norms) / batches,
            }
        )
        weights.append(list(hand.weights))
        averaged.append(list(hand.averaged))
    return lines, weights, averaged


def fast(**changes):
    """A spec of a training that overshoots: its best epoch is neither the first nor the last."""
    recipe = {
        "optimizer": "adamw",
        "learning_rate": 0.05,
        "weight_decay": 0.05,
        "gradient_clip": 0.2,
        "ema_decay": 0.6,
    }
    return run_spec(
        **{"epochs": 6, "batch_size": 3, "warmup_steps": 4, "seed": 5, "precision": "float32"}
        | recipe
        | changes
    )


def run(run_dir, spec, data=None, *, model=None, saving=None, **observed):
    return fit(
        model or Pair(),
        Bernoulli(),
        data or small(TRAIN, VALID),
        spec,
        run_dir=run_dir,
        device=CPU,
        saving=saving,
        observer=Observer(**observed),
    )


def test_a_whole_training_is_that_of_the_formulas(tmp_path):
    spec = fast()
    lines, weights, averaged = train_by_hand(spec)
    pictures = {}

    def draw(epoch, model):
        pictures[epoch] = pair(model)
        assert len(RunFolder(tmp_path).history()) == RunFolder(tmp_path).record().epochs == epoch

    told = []
    result = run(tmp_path, spec, epoch=lambda line: told.append(dict(line)), pictures=draw)
    history = RunFolder(tmp_path).history()
    assert told == history and len(history) == 6
    for line, expected in zip(history, lines, strict=True):
        # The sums over an epoch are kept in float32.
        assert {key: line[key] for key in expected} == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert line["valid_nll"] == pytest.approx(expected["valid_nll"], rel=1e-9)
    best = min(range(6), key=lambda i: lines[i]["valid_nll"])
    assert 0 < best < 5
    record = RunFolder(tmp_path).record()
    assert result.epoch == record.best_epoch == best + 1 and not record.stopped_early
    assert record.best_valid_nll == pytest.approx(lines[best]["valid_nll"], rel=1e-9)
    assert record.images_seen == 6 * 7
    assert pair(result.weights) == pytest.approx(weights[best], rel=1e-9)
    assert pair(result.ema_weights) == pytest.approx(averaged[best], rel=1e-9)
    assert list(pictures) == [1, 2, 4, 6]
    assert all(pictures[epoch] == pytest.approx(averaged[epoch - 1], rel=1e-9) for epoch in pictures)


class Script(nn.Module):
    """All ones have a logit from a list, the next one at each validation; a training step changes nothing."""

    def __init__(self, logits) -> None:
        super().__init__()
        self.left = list(logits)
        self.a = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, features, y):
        logit = 0.0 if self.training else self.left.pop(0)
        return logit + 0 * self.a * features[:, :1]


class Scripted(Pair):
    """Pair, but as `Script` says."""

    def build(self, hyperparameters):
        return Script(hyperparameters)


def scripted(run_dir, logits, **recipe):
    """Train with these validation logits: the higher the better."""
    data, pictures = small([[1, 0, 1]] * 3, [[1, 1, 1]] * 2), []
    result = run(
        run_dir,
        fast(**recipe),
        data,
        model=Scripted(logits),
        pictures=lambda epoch, model: pictures.append(epoch),
    )
    history = RunFolder(run_dir).history()
    expected = [DIMS * math.log1p(math.exp(-logit)) for logit in logits[: len(history)]]
    assert [line["valid_nll"] for line in history] == pytest.approx(expected)
    return result.epoch, RunFolder(run_dir).record(), pictures


def test_patience_counts_from_the_last_improvement_and_a_tie_is_none(tmp_path):
    logits = [0, 1, 0.5, 2, 1.5, 2, 3, 4, 5, 6]
    best, record, pictures = scripted(tmp_path, logits, epochs=10, patience=2)
    assert (best, record.epochs, record.stopped_early) == (4, 6, True)
    assert record.best_valid_nll == pytest.approx(DIMS * math.log1p(math.exp(-2)))
    assert pictures == [1, 2, 4, 6], "the epoch that it stopped after is the last"


@pytest.mark.parametrize("patience", [None, 3])
def test_a_training_with_enough_patience_goes_to_its_end(tmp_path, patience):
    logits = [0, 1, 0.5, 0.7, 2, 1.5, 1, 1.9]
    best, record, pictures = scripted(tmp_path, logits, epochs=8, patience=patience)
    stopped = patience is not None  # the best was three epochs ago, in the last one
    assert (best, record.epochs, record.stopped_early) == (5, 8, stopped)
    assert pictures == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("epochs", "expected"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (9, [1, 2, 4, 8, 9])]
)
def test_pictures_come_after_powers_of_two_and_the_last_epoch(tmp_path, epochs, expected):
    assert scripted(tmp_path, [0] * epochs, epochs=epochs)[2] == expected


class Noting(Line):
    """Notes the mode and the weight of every pass, and what it draws while it trains."""

    def __init__(self, start, seen, drawn) -> None:
        super().__init__(*start)
        self.seen, self.drawn = seen, drawn

    def __deepcopy__(self, memo):
        copied = Noting(START, self.seen, self.drawn)
        copied.load_state_dict(self.state_dict())
        return copied

    def forward(self, features, y):
        self.seen.append((self.training, self.a.item()))
        if self.training:
            self.drawn.append(torch.rand(()).item())
        return super().forward(features, y)


class Noted(Pair):
    """Pair, but as `Noting` says."""

    def __init__(self) -> None:
        self.seen, self.drawn = [], []
        super().__init__()

    def build(self, hyperparameters):
        return Noting(hyperparameters, self.seen, self.drawn)


def test_steps_are_in_training_mode_and_validations_in_evaluation_mode_on_averaged_weights(tmp_path):
    spec, model = fast(), Noted()
    run(tmp_path, spec, model=model.eval())
    assert [mode for mode, _ in model.seen] == [True, True, True, False] * 6
    _, weights, averaged = train_by_hand(spec)
    validated = [a for mode, a in model.seen if not mode]
    assert validated == pytest.approx([a for a, _ in averaged], rel=1e-9)
    trained = [a for mode, a in model.seen if mode]
    assert trained[::3] == pytest.approx([START[0], *(a for a, _ in weights[:-1])], rel=1e-9)


def test_what_layers_draw_is_seeded_by_the_run_and_the_generator_of_others_is_left_alone(tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(())
    torch.manual_seed(11)
    model = Noted()
    run(tmp_path, fast(epochs=1, seed=8), model=model)
    assert torch.equal(torch.rand(()), expected)
    generator = torch.Generator().manual_seed(sha_seed(8, "dropout"))
    assert model.drawn == [torch.rand((), generator=generator).item() for _ in range(3)]


# ------------------------------------------------------------------------------ seconds

STEP, VALIDATION, PICTURE, SAVING = 150.0, 120.0, 7.0, 3.0


class Clock:
    """Stands for the module `time`: it goes on only when the work below is done."""

    def __init__(self) -> None:
        self.now, self.step = 1000.0, STEP

    def perf_counter(self) -> float:
        return self.now

    monotonic = perf_counter

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    """Steps, validations and saving the state take the seconds above."""
    from pixelcnn.training import loop, state

    clock, save, forward = Clock(), state.save, Pair.forward

    def saving(*arguments):
        clock.pass_by(SAVING)
        save(*arguments)

    def passing(self, x, y=None):
        clock.pass_by(clock.step if self.training else VALIDATION)
        return forward(self, x, y)

    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setattr(state, "time", clock)
    monkeypatch.setattr(state, "save", saving)
    monkeypatch.setattr(Pair, "forward", passing)
    return clock


@pytest.mark.parametrize(
    ("minutes", "times"),
    [
        (None, 1),  # at the end
        (4, 8),  # 240 s: after the second step of an epoch, and after its validation
        (0, 13),  # 2 % of the time, so 147 s between two: after each step and at the end
    ],
)
def test_speed_counts_the_steps_alone_and_wall_time_all_but_the_pictures(tmp_path, clock, minutes, times):
    def draw(epoch, model):
        clock.pass_by(PICTURE)
        clock.step = STEP + 10  # all epochs but the first are slower

    run(tmp_path, fast(epochs=4), saving=SavingSpec(minutes=minutes), pictures=draw)
    record, history = RunFolder(tmp_path).record(), RunFolder(tmp_path).history()
    assert [line["seconds"] for line in history] == [450, 450 + 480, 450 + 2 * 480, 450 + 3 * 480]
    assert [line["images_per_second"] for line in history] == pytest.approx([7 / 450] + [7 / 480] * 3)
    assert record.training_seconds == 450 + 3 * 480
    assert record.images_per_second == pytest.approx(28 / (450 + 3 * 480))
    assert record.saving_seconds == times * SAVING
    assert record.wall_seconds == 450 + 3 * 480 + 4 * VALIDATION + times * SAVING


def test_the_seconds_of_an_interrupted_training_add_up(tmp_path, clock):
    asked = iter([None] * 5 + [signal.SIGTERM])  # in the second epoch, after its second step
    spec, saving = fast(epochs=4), SavingSpec(minutes=None, epochs=1)
    with pytest.raises(Interrupted, match="SIGTERM after 1 of 4 epochs"):
        run(tmp_path, spec, saving=saving, signal=lambda: next(asked))
    clock.pass_by(1e6)
    run(tmp_path, spec, saving=saving)
    record, history = RunFolder(tmp_path).record(), RunFolder(tmp_path).history()
    assert [line["seconds"] for line in history] == [3 * STEP, 6 * STEP, 9 * STEP, 12 * STEP]
    assert record.images_per_second == pytest.approx(28 / (12 * STEP))
    assert record.saving_seconds >= 4 * SAVING, "those after epochs; the other could not count itself"
    assert record.wall_seconds - record.saving_seconds == 12 * STEP + 4 * VALIDATION
