"""The report's page in a browser: whole from disk, sortable, readable in the dark and on a phone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from pixelcnn.results.folder import folder_of

SORTABLE = "table.sortable"


class Seen:
    """A page and what went wrong on it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)


@pytest.fixture
def seen(context, made) -> Seen:
    return Seen(context, (folder_of(made).path / "report" / "index.html").resolve().as_uri())


def background(page: Page) -> str:
    """The colour behind the text: of the body, or where it has none of the whole page."""
    return page.evaluate(
        "['body', 'html'].map(e => getComputedStyle(document.querySelector(e)).backgroundColor)"
        ".find(c => c !== 'rgba(0, 0, 0, 0)') ?? 'none'"
    )


def values(page: Page, table: int, column: int) -> list[str]:
    """The raw values of a column, from top to bottom."""
    return (
        page.locator(SORTABLE)
        .nth(table)
        .evaluate(
            "(t, c) => [...t.tBodies].flatMap(b => [...b.rows]).map(r => r.cells[c]?.dataset.value ?? '')",
            column,
        )
    )


def test_it_opens_from_disk_whole_and_without_the_network(seen, shoot):
    page = seen.page
    assert page.title()
    assert page.locator("img").count() > 3
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    page.wait_for_timeout(300)
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "report")
    shoot(page, "report-whole", full_page=True)


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(seen, shoot):
    page = seen.page
    tables = page.locator(SORTABLE)
    assert tables.count() > 0
    table = tables.first
    headings = table.locator("thead th[aria-sort]")
    numbers = 0
    for i in range(headings.count()):
        heading = headings.nth(i)
        column = heading.evaluate("h => h.cellIndex")
        if not all(_is_number(value) for value in values(page, 0, column)):
            continue
        numbers += 1
        sorts = []
        for _ in range(2):
            heading.locator("button").click()
            sorts.append(heading.get_attribute("aria-sort"))
            found = [float(value) for value in values(page, 0, column) if value]
            assert found == sorted(found, reverse=sorts[-1] == "descending")
            others = table.locator("thead th[aria-sort]:not([aria-sort=none])")
            assert others.count() == 1, "one column is marked as sorted"
        assert sorted(sorts) == ["ascending", "descending"]
    assert numbers > 2
    headings.first.locator("button").focus()
    page.keyboard.press("Enter")
    assert headings.first.get_attribute("aria-sort") != "none", "the keyboard sorts, too"
    shoot(page, "report-sorted")


def _is_number(text: str) -> bool:
    try:
        return text == "" or float(text) is not None
    except ValueError:
        return False


def test_it_is_dark_where_the_user_wants_it_and_prints(seen, shoot):
    page = seen.page
    page.emulate_media(color_scheme="light")
    light = background(page)
    page.emulate_media(color_scheme="dark")
    assert background(page) != light
    shoot(page, "report-dark")
    page.emulate_media(color_scheme="dark", media="print")
    assert background(page) in ("rgb(255, 255, 255)", "none", light), "paper stays white"
    shoot(page, "report-print")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(seen, scheme):
    seen.page.emulate_media(color_scheme=scheme)
    found = Axe().run(seen.page).response["violations"]
    serious = [
        (fault["id"], fault["help"], [node["html"][:160] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_phone_shows_it_without_scrolling_sideways(seen, shoot):
    seen.page.set_viewport_size({"width": 390, "height": 844})
    shoot(seen.page, "report-phone")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390
