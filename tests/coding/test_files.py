"""Images come out as they went in, cost what their NLL says, or are refused."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from support.networks import VARIANTS, network

from pixelcnn.coding import codec, identity, layout
from pixelcnn.coding.files import Codec
from pixelcnn.results.audit import BYTES, SHARE
from pixelcnn.system.errors import UserError

N = 7
KINDS = [("auto", 1, 2), ("categorical", 3, 4), ("logistic_mixture", 1, 40)]


def codec_of(
    name="pixelcnn", hyperparameters=None, likelihood="auto", channels=1, levels=2, conditional=True
):
    """Of a small network in float32, with seven images and labels."""
    model, like = network(
        name, conditional, levels, (5, 6), hyperparameters, channels=channels, likelihood=likelihood
    )
    variant = SimpleNamespace(hyperparameters={}, likelihood_hyperparameters={}, model=name)
    trained = SimpleNamespace(spec=SimpleNamespace(variant=variant, own_files={}, name="a/run"))
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, levels, (N, *model.image_shape), generator=random).to(torch.uint8).numpy()
    labels = torch.arange(N).numpy() % 2 if conditional else None
    return Codec(trained, model.float().eval(), like), images, labels


@pytest.mark.parametrize(
    ("variant", "kind", "conditional"),
    [(v, KINDS[i % 3], bool((i // 3 + i) % 2)) for i, v in enumerate(VARIANTS)],
)
def test_images_come_out_bit_for_bit_and_cost_their_nll(variant, kind, conditional):
    one, images, labels = codec_of(*variant, *kind, conditional)
    content = one.compress(images, labels)
    back, told = one.decompress(content)
    assert (back == images).all() and (labels is None or (told == labels).all())
    x, y = torch.from_numpy(images).long(), None if labels is None else torch.from_numpy(labels)
    with torch.no_grad():
        log_prob = one.likelihood.log_prob(one.model(x, y), x).double()
    paid = 8 * (len(content) - layout.label_bytes(N, one.model.image.classes))
    assert paid <= -float(log_prob.sum()) / math.log(2) * (1 + SHARE) + 8 * BYTES


def test_a_damaged_file_is_refused_wherever_it_is_damaged():
    one, images, labels = codec_of()
    content = one.compress(images, labels)
    for place in range(len(content)):
        with pytest.raises(UserError):
            one.decompress(content[:place])
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(UserError):
            one.decompress(bytes(flipped))


def test_what_differs_is_said(monkeypatch):
    one, images, labels = codec_of()
    content = one.compress(images, labels)
    with torch.no_grad():
        weight = next(one.model.parameters())
        before = weight.clone()
        weight += 1e-3
    with pytest.raises(UserError, match="another model"):
        one.decompress(content)
    with torch.no_grad():
        weight.copy_(before)
    monkeypatch.setattr(identity, "software", lambda: "torch of tomorrow")
    with pytest.raises(UserError, match="software was another one than here"):
        one.decompress(content)


def test_an_encoder_of_another_batch_shape_or_of_other_floats_gives_no_other_images(monkeypatch):
    one, images, labels = codec_of()
    content = one.compress(images, labels)
    header, body = layout.unpack(content)
    wrong = layout.pack(replace(header, pictures=b"123456"), body[:1], layout.unpack_words(body[1:]))
    with pytest.raises(UserError, match="came out otherwise"):
        one.decompress(wrong)
    probabilities = codec.Reading.choose
    monkeypatch.setattr(
        codec.Reading, "choose", lambda self, table, known: probabilities(self, table[:, ::-1].copy(), known)
    )
    with pytest.raises(UserError, match="came out otherwise"):
        one.decompress(content)
