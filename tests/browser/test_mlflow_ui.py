"""What one sees of a benchmark in MLflow, at the addresses that `make ui` prints."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from pixelcnn.results.folder import folder_of
from pixelcnn.tracking import projection, ui
from pixelcnn.tracking.layout import CHARTS_QUERY, metric_columns

#: MLflow opens its assistant over a quarter of the screen, once for every browser.
NO_ASSISTANT = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
START_SECONDS = 90


@pytest.fixture(scope="module")
def address(made) -> Iterator[str]:
    """The address of the runs table, on a server that answers."""
    assert projection.project(folder_of(made).path).ok
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "pixelcnn",
        "ui",
        str(folder_of(made).path),
        "--port",
        str(port),
        "--no-open",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        until = time.monotonic() + START_SECONDS
        while not ui.answers(port):
            assert server.poll() is None and time.monotonic() < until, "the server did not start"
            time.sleep(0.3)
        yield said.split()[-1]
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def page(context) -> Page:
    context.add_init_script(NO_ASSISTANT)
    return context.new_page()


def run_link(page: Page, name: str):
    return page.get_by_role("link", name=name, exact=True)


def test_the_table_of_runs_says_it_all_without_a_click(page, address, made, shoot):
    page.goto(address)
    expect(page.get_by_text(made.benchmark, exact=True).first).to_be_visible()
    expect(page.get_by_text(f"{len(made.runs()) + 1} matching runs")).to_be_visible()
    for name in ("pixelsnail · seed 0", "gated-conditional · seed 1"):
        expect(run_link(page, name)).to_be_visible()
    names = page.locator(".ag-pinned-left-cols-container a").all_inner_texts()
    assert names[0] == "pixelsnail · seed 0", "the best comes first"
    for column in list(metric_columns())[:3]:
        expect(page.locator(f'.ag-header-cell[col-id="metrics.`{column}`"]')).to_be_visible()
    cells = page.locator('.ag-cell[col-id="metrics.`comparable_nll`"]').all_inner_texts()
    numbers = [float(cell.strip(" ….")) for cell in cells if cell.strip() not in ("", "-")]
    assert len(numbers) > 5 and numbers == sorted(numbers)
    shoot(page, "mlflow-runs")


def test_charts_compare_the_runs_and_show_their_samples(page, address, shoot):
    page.goto(f"{address}&{CHARTS_QUERY}")
    expect(page.get_by_text(re.compile(r"^Comparison"))).to_be_visible()
    area = '[data-testid="experiment-view-compare-runs-chart-area"]'
    loaded = f"[...document.querySelectorAll('{area} img')].some(i => i.naturalWidth > 0)"
    page.wait_for_function(loaded)
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.wait_for_timeout(1500)  # plots fade in
    shoot(page, "mlflow-charts")


def test_the_page_of_a_run_shows_its_samples_and_charts(page, address, shoot):
    page.goto(address)
    run_link(page, "pixelsnail · seed 0").click()
    expect(page.get_by_role("heading", name="pixelsnail · seed 0")).to_be_visible()
    samples = page.locator('img[src*="preview.png"]')
    expect(samples).to_be_visible()
    assert samples.evaluate("i => i.decode().then(() => i.naturalWidth)") > 0
    shoot(page, "mlflow-run")
    page.get_by_role("tab", name="Model metrics").click()
    expect(page.get_by_text("while training").first).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.wait_for_timeout(1000)
    shoot(page, "mlflow-run-metrics")


def test_the_run_of_the_report_shows_the_report(page, address, shoot):
    page.goto(address)
    page.locator(".ag-body-viewport").evaluate("e => e.scrollTo(0, e.scrollHeight)")
    run_link(page, "Report and comparison").click()
    figure = page.locator('img[src*="preview.png"]')
    expect(figure).to_be_visible()
    assert figure.evaluate("i => i.decode().then(() => i.naturalWidth)") > 0
    page.wait_for_timeout(500)
    shoot(page, "mlflow-report-run")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("index.html", exact=True).click()
    report = page.frame_locator("iframe")
    expect(report.get_by_role("heading", level=1)).to_be_visible()
    shoot(page, "mlflow-report-page")
