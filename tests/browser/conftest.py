"""A headless Chromium and a benchmark to look at. Run these tests by `make test-browser`.

`PIXELCNN_SCREENSHOTS=FOLDER` keeps what was seen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import chromium
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.made_up import benchmark, digits, write_all
from pixelcnn.config.benchmark import Benchmark
from pixelcnn.images.grids import save_grid
from pixelcnn.report.page import build_report
from pixelcnn.results.folder import RunFolder, folder_of

Shoot = Callable[[Page, str], None]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.executable()
    if path is None:
        pytest.exit("no chromium: python tests/browser/chromium.py install", returncode=1)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(chromium.ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture
def context(browser) -> Iterator[BrowserContext]:
    """A browser that was never used, on a usual screen."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900})
    opened.set_default_timeout(30_000)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shoot() -> Shoot:
    """Keeps a picture of a page, if wanted."""
    folder = os.environ.get("PIXELCNN_SCREENSHOTS")

    def keep(page: Page, name: str, **options) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png", **options)

    return keep


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Benchmark:
    """A benchmark with samples that come out of noise, and its report."""
    made = benchmark(tmp_path_factory.mktemp("results"), seeds=[0, 1])
    write_all(made)
    noise = np.random.default_rng(0)
    for spec in made.runs():
        folder = folder_of(made).run_of(spec).path
        images, _ = digits(40, seed=spec.seed)
        save_grid(RunFolder(folder).sample_grid, images, 2)
        for epoch, wrong in ((1, 0.4), (2, 0.25), (4, 0.12), (8, 0.05), (12, 0.0)):
            flipped = np.where(noise.random(images.shape) < wrong, 1 - images, images).astype(np.uint8)
            save_grid(RunFolder(folder).picture(epoch), flipped, 2)
    build_report(folder_of(made).path)
    return made
