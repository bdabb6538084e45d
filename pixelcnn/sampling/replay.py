"""Work that is the same for every batch, prepared once: on a GPU as CUDA graphs.

A network is thousands of small operations a batch. On a GPU starting them costs more than they
do themselves; a captured graph starts them all at once.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator

import torch

from pixelcnn.incremental.memory import Call


class Recorder:
    """Where work is recorded for a device; on a GPU its graphs run one after the other and share memory."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        #: Whether what is recorded must run without a look at what it computes.
        self.captures = device.type == "cuda"
        if self.captures:
            with torch.cuda.device(device):
                self._pool, self._side = torch.cuda.graph_pool_handle(), torch.cuda.Stream()

    def record(self, calls: Iterable[Call]) -> Work:
        """Work that makes all these calls in their order."""
        return Work(self, list(calls))

    def warm_up(self, run: Call) -> None:
        """Run what is to be captured as it is, on a side stream (PyTorch's notes on CUDA graphs)."""
        with torch.cuda.device(self.device):
            self._side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._side):
                run()
            torch.cuda.current_stream().wait_stream(self._side)

    def capture(self, run: Call) -> Call:
        """What repeats a run, which does not happen now."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self.device), torch.cuda.graph(graph, pool=self._pool, stream=self._side):
            run()
        return graph.replay


class Work:
    """Calls on memory that stays where it is. On a GPU the second time captures them: once would not pay."""

    def __init__(self, recorder: Recorder, calls: list[Call]) -> None:
        self._recorder, self._calls = recorder, calls  # the calls own memory that a graph uses
        self._is_warm = False
        self._replay: Call | None = None

    def __call__(self) -> None:
        """Do it."""
        if not self._recorder.captures or not self._calls:
            self._run()
        elif not self._is_warm:
            self._recorder.warm_up(self._run)
            self._is_warm = True
        else:
            if self._replay is None:
                self._replay = self._recorder.capture(self._run)
            self._replay()

    def _run(self) -> None:
        for call in self._calls:
            call()


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
