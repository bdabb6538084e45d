"""Planted faults that the checks other than those of leaks and samplers must catch."""

from __future__ import annotations

import torch
from support.networks import randomised

from pixelcnn.invariants.dependence import check_images_apart, check_labels_matter, check_rebuilt
from pixelcnn.invariants.probabilities import check_first_loss, check_normalised
from pixelcnn.layers.convolution import CausalConv2d
from pixelcnn.layers.pointwise import ClassBias, ClassMap


def plant_batch_statistics(monkeypatch, network):
    genuine = CausalConv2d.forward
    monkeypatch.setattr(
        CausalConv2d, "forward", lambda self, x, y: genuine(self, x - 0.1 * x.mean(0, keepdim=True), y)
    )


def test_a_dependence_on_the_rest_of_the_batch_is_caught(monkeypatch):
    network, _ = randomised("pixelcnn")
    assert check_images_apart(network).passed
    plant_batch_statistics(monkeypatch, network)
    assert not check_images_apart(network).passed


def test_a_label_that_is_ignored_is_caught():
    network, _ = randomised("pixelcnn", conditional=True)
    assert check_labels_matter(network).passed
    for layer in network.modules():
        if isinstance(layer, ClassBias):
            layer.bias = None
        if isinstance(layer, ClassMap):
            layer.maps = None
    assert not check_labels_matter(network).passed


def test_a_likelihood_that_does_not_sum_to_one_is_caught():
    network, likelihood = randomised("pixelcnn", size=(2, 2))

    class Unnormalised(type(likelihood)):
        def log_prob(self, params, x):
            return params.gather(1, x)[:, 0]

    assert check_normalised(network, likelihood).passed
    assert not check_normalised(network, Unnormalised(3)).passed


def test_weights_that_a_checkpoint_would_miss_are_caught():
    network, _ = randomised("pixelcnn")
    first = next(layer for layer in network.modules() if isinstance(layer, CausalConv2d))
    bias = first.bias.detach().clone()
    del first.bias
    first.bias = bias  # a plain tensor: not in the state dict
    other, _ = randomised("pixelcnn")
    with torch.no_grad():
        other_first = next(layer for layer in other.modules() if isinstance(layer, CausalConv2d))
        del other_first.bias
        other_first.bias = bias + 1
    assert not check_rebuilt(network, lambda: other).passed


def test_a_head_that_starts_far_from_uniform_is_caught():
    network, likelihood = randomised("pixelcnn")
    assert not check_first_loss(network, likelihood).passed, "its weights are random and large"
