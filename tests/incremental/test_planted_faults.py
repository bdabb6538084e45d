"""Planted faults of the incremental form: each is what a slip of the pen would make."""

from __future__ import annotations

import dataclasses

import pytest
from support.networks import network

from pixelcnn.incremental import planning
from pixelcnn.incremental.memory import Ring
from pixelcnn.incremental.schedules import Wavefront
from pixelcnn.incremental.workspace import Prepared
from pixelcnn.invariants.sampler import check_fast_sampler
from pixelcnn.layers.convolution import CausalConv2d


def stale_lines(monkeypatch):
    monkeypatch.setattr(Ring, "outside", lambda self, front: None)


def stale_batch(monkeypatch):
    monkeypatch.setattr(Ring, "clear", lambda self: None)


def stale_weights(monkeypatch):
    genuine = Prepared.begin

    def begin(self, like):
        if self._value is None:
            genuine(self, like)

    monkeypatch.setattr(Prepared, "begin", begin)


def memory_given_away_too_early(monkeypatch):
    def assign(entries, output):
        pieces = tuple(range(max(entry.output.channels for entry in entries) + 1))
        return {entry.output.number: entry.output.channels for entry in entries}, pieces

    monkeypatch.setattr(planning, "assign_scratch", assign)


def rings_too_short(monkeypatch):
    genuine = planning._rings

    def shorter(schedule, entries):
        sizes = genuine(schedule, entries)
        return {
            number: dataclasses.replace(size, fronts=max(1, size.fronts - 1))
            for number, size in sizes.items()
        }

    monkeypatch.setattr(planning, "_rings", shorter)


def taps_in_another_order(monkeypatch):
    genuine = CausalConv2d.incremental

    def swapped(self, x, y):
        self.taps = self.taps[::-1]
        try:
            return genuine(self, x, y)
        finally:
            self.taps = self.taps[::-1]

    monkeypatch.setattr(CausalConv2d, "incremental", swapped)


def one_front_too_early(monkeypatch):
    genuine = Wavefront.offset
    monkeypatch.setattr(Wavefront, "offset", lambda self, dr, dc: (genuine(self, dr, dc)[0] - (dr < 0), dr))


@pytest.mark.parametrize(
    "plant",
    [
        stale_lines,
        stale_batch,
        stale_weights,
        memory_given_away_too_early,
        rings_too_short,
        taps_in_another_order,
        one_front_too_early,
    ],
)
def test_a_planted_fault_of_the_sampler_is_caught(monkeypatch, plant):
    model, likelihood = network(size=(6, 5), conditional=True)
    assert all(result.passed for result in check_fast_sampler(model, likelihood))
    plant(monkeypatch)
    assert not all(result.passed for result in check_fast_sampler(model, likelihood))
