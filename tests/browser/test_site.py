"""The site of `pixelcnn publish` in a browser: from disk and from a web server, without another network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from pixelcnn.results.folder import folder_of
from pixelcnn.site.publish import publish


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site(made, tmp_path_factory) -> Path:
    return publish([folder_of(made).path], tmp_path_factory.mktemp("web") / "site").parent


@pytest.fixture(params=["disk", "server"])
def address(request, site) -> Iterator[str]:
    if request.param == "disk":
        yield site.resolve().as_uri()
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_opens_and_its_links_lead_on_without_another_network(address, context, made, shoot):
    requests, missing, errors = [], [], []
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(f"{address}/index.html")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert page.locator("img").count() == 1
    shoot(page, "site")
    page.get_by_role("link", name=f"Report of {made.title}").click()
    expect(page.get_by_role("heading", level=1, name=made.title)).to_be_visible()
    page.go_back()
    page.get_by_role("link", name=f"Records of {made.title}").click()
    assert page.locator("tbody tr").count() == len(made.runs())
    shoot(page, "site-records")
    page.get_by_role("link", name="record.json of gated, digits, seed 1").click()
    assert '"run_id"' in page.inner_text("body")
    page.go_back()
    page.get_by_role("link", name="all benchmarks").click()
    page.get_by_role("link", name="what they mean").click()
    assert "additionalProperties" in page.inner_text("body")
    foreign = [u for u in requests if not u.startswith((address, "data:"))]
    assert foreign == []
    assert {url.rpartition("/")[2] for url in missing} <= {"favicon.ico"}, "the browser's own wish"
    assert [said for said in errors if "404" not in said] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index.html", "toy/records.html"])
def test_axe_finds_no_fault_and_a_phone_shows_it_whole(site, context, name, scheme, shoot):
    page = context.new_page()
    page.emulate_media(color_scheme=scheme)
    page.goto((site / name).resolve().as_uri())
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], [node["html"][:160] for node in fault["nodes"]][:3]) for fault in found] == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, f"site-phone-{scheme}-{Path(name).stem}")
