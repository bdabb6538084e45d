"""Work that is the same for every batch, prepared once: on a GPU as CUDA graphs.

A network is thousands of small operations a batch. On a GPU starting them costs more than they
do themselves; a captured graph starts them all at once.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator

import torch

from pixelcnn.layers.incremental import Call


class Recorder:
    """Turns calls on memory that stays where it is into one call that can be repeated."""

    def __init__(self, device: torch.device) -> None:
        #: Whether what is recorded must run without a look at what it computes.
        self.captures = device.type == "cuda"
        # Graphs that run one after the other can share the memory of what they compute in between.
        self._pool = torch.cuda.graph_pool_handle() if self.captures else None

    def record(self, calls: Iterable[Call]) -> Call:
        """All of them in their order. What is captured runs once now, since it must be warm."""
        prepared = list(calls)

        def run() -> None:
            for call in prepared:
                call()

        return self._captured(run) if self.captures and prepared else run

    def _captured(self, run: Call) -> Call:
        """See "CUDA Graphs" in PyTorch's notes on CUDA semantics: warm up on a side stream, then capture."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            run()
        return graph.replay


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Make many objects that stay: garbage collection would look at all others again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
