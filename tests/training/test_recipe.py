"""A whole training, number for number: a model of two weights, trained here and in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from support.two_weights import (
    DIMS,
    START,
    Line,
    Pair,
    binary_images,
    fast,
    pair,
    run,
    sha_seed,
    train_by_hand,
)
from torch import nn

from pixelcnn.results.folder import RunFolder


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
    data, pictures = binary_images([[1, 0, 1]] * 3, [[1, 1, 1]] * 2), []
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
