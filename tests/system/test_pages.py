"""The report and the trend page in a real browser: headless Chromium from the distribution.

The pages show real flights. Each test opens a page from disk; a listener fails the test for a request, an error of the script
or a line in the console.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from monitoring.report import page as report_page
from monitoring.report import trend as trend_page
from tests.monitoring.report.flights_run import flights_run, flights_trend

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 1000}
LOOKS: list[dict[str, Any]] = [
    {"viewport": DESK, "color_scheme": "light"},
    {"viewport": DESK, "color_scheme": "dark"},
    {"viewport": PHONE, "color_scheme": "light"},
    {"viewport": PHONE, "color_scheme": "dark"},
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "report.html").write_text(report_page.render(flights_run(), trend="trend.html"))
    (folder / "trend.html").write_text(trend_page.render(flights_trend()))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


class Opened:
    """A page that was opened, and what it did besides: console lines, errors, requests."""

    def __init__(self, browser: Browser, path: Path, fragment: str = "", **look: Any) -> None:
        self.context = browser.new_context(**({"viewport": DESK} | look))
        self.page: Page = self.context.new_page()
        self.noise: list[str] = []
        self.page.on("console", lambda message: self.noise.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.noise.append(f"error: {error}"))
        self.page.on("request", self._note)
        self.page.goto(f"{path.as_uri()}{fragment}")

    def _note(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.noise.append(f"request: {request.url}")

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert self.noise == []


def widths(page: Page) -> tuple[int, int]:
    found = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return found[0], found[1]


def accessible(page: Page) -> list[str]:
    """Returns what axe found wrong, as text."""
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{rule['id']}: {node['target']} {node['html'][:120]}" for rule in found for node in rule["nodes"][:3]]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look['viewport']['width']}-{look['color_scheme']}")
@pytest.mark.parametrize("name", ["report", "trend"])
def test_axe_finds_nothing(browser: Browser, pages: Path, name: str, look: dict[str, Any]) -> None:
    with Opened(browser, pages / f"{name}.html", **look) as page:
        if name == "report":
            page.click("#s-expand")
        assert accessible(page) == []


@pytest.mark.parametrize("width", [320, 390, 600, 700, 701, 921, 1101, 1280, 1920])
@pytest.mark.parametrize("name", ["report", "trend"])
def test_no_width_scrolls_sideways(browser: Browser, pages: Path, name: str, width: int) -> None:
    with Opened(browser, pages / f"{name}.html", viewport={"width": width, "height": 900}) as page:
        if name == "report":
            page.click("#s-expand")
        assert widths(page) == (width, width)


def test_the_report_filters_by_name_status_and_kind(browser: Browser, pages: Path) -> None:
    with Opened(browser, pages / "report.html") as page:
        page.keyboard.press("/")
        page.keyboard.type("wind")
        assert page.locator(".col:visible .c-name b").all_text_contents() == ["wind_dir", "wind_speed", "wind_gust"]
        assert page.inner_text("#s-count") == "3 of 24 columns"
        page.keyboard.press("Escape")
        page.select_option("#s-status", "unseen")
        assert page.locator(".col:visible .c-name b").all_text_contents() == ["dest"]
        page.select_option("#s-kind", "number")
        assert page.locator("#s-none").is_visible()
        page.click("#s-clear")
        assert page.locator(".col:visible").count() == 24


def test_the_report_sorts_by_its_heads_and_back(browser: Browser, pages: Path) -> None:
    names = ".rows:last-of-type .c-name b"
    with Opened(browser, pages / "report.html") as page:
        by_severity = page.locator(names).all_text_contents()
        page.click('.hd button[data-s="n"]')
        by_name = page.locator(names).all_text_contents()
        assert by_name == sorted(by_severity)
        page.click('.hd button[data-s="n"]')
        assert page.locator(names).all_text_contents() == by_name[::-1]
        page.select_option("#s-sort", "l")
        assert page.locator(names).all_text_contents()[:2] == ["temp", "dewp"]
        page.select_option("#s-sort", "")
        assert page.locator(names).all_text_contents() == by_severity


def test_the_keyboard_moves_over_rows_and_opens_them(browser: Browser, pages: Path) -> None:
    with Opened(browser, pages / "report.html") as page:
        page.focus("#s-filter")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.locator(".col[open] .c-name b").all_text_contents() == ["temp"]
        page.click('.col[open] [data-view="cdf"]')
        assert page.locator(".col[open] .cdf").is_visible()
        assert page.locator(".col[open] .hist").is_hidden()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_link_to_a_column_opens_it(browser: Browser, pages: Path, script: bool) -> None:
    with Opened(browser, pages / "report.html", "#wind_gust", java_script_enabled=script) as page:
        assert page.locator("#wind_gust").is_visible()
        assert page.locator("#wind_gust .hist").is_visible()
        assert page.locator("#wind_gust .cdf").is_visible() is not script
        assert page.locator("#s-filter").is_visible() is script


def test_the_trend_switches_its_range_without_a_script(browser: Browser, pages: Path) -> None:
    cells = "#temp td:not(.now)"
    with Opened(browser, pages / "trend.html", java_script_enabled=False) as page:
        assert page.locator(f"{cells}:visible").count() == 168
        page.click('label[for="s-r30"]')
        assert page.locator(f"{cells}:visible").count() == 30
        page.click('label[for="s-r7"]')
        assert page.locator(f"{cells}:visible").count() == 7
        assert page.locator("#s-filter").is_hidden()


def test_the_trend_shows_the_numbers_of_a_cell_and_moves_with_arrows(browser: Browser, pages: Path) -> None:
    with Opened(browser, pages / "trend.html") as page:
        page.hover("#temp td:last-child a")
        assert page.inner_text("#s-tip").startswith("temp · large\nJul 31 UTC\nL∞ 1.00, ordinary days up to 0.")
        assert page.locator('#s-map a[tabindex="0"]').count() == 1
        page.locator('#s-map a[tabindex="0"]').focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#s-say").startswith("temp, Jul 30: large.")
        page.keyboard.press("Home")
        assert page.inner_text("#s-say").startswith("temp, Feb 14: like ordinary days.")


def test_the_trend_filters_and_sorts(browser: Browser, pages: Path) -> None:
    names = "tbody.g:last-of-type tr[data-n]:visible th"
    with Opened(browser, pages / "trend.html") as page:
        page.keyboard.press("/")
        page.keyboard.type("plane")
        assert page.locator(names).all_text_contents() == ["plane_year", "plane_type"]
        page.keyboard.press("Escape")
        page.select_option("#s-sort", "n")
        shown = page.locator(names).all_text_contents()
        assert shown == sorted(shown)
        page.select_option("#s-sort", "i")
        assert page.locator(names).all_text_contents()[:2] == ["temp", "dewp"]


def test_a_tap_on_a_phone_shows_the_numbers_before_it_follows_the_link(browser: Browser, pages: Path) -> None:
    with Opened(browser, pages / "trend.html", viewport=PHONE, has_touch=True, is_mobile=True) as page:
        assert page.locator("#temp td:not(.now):visible").count() == 7
        page.tap("#temp td:last-child a")
        assert page.inner_text("#s-say").startswith("temp, Jul 31: large. L∞ 1.00")
        assert page.url.endswith("trend.html")


@pytest.mark.parametrize(("name", "most"), [("report", 4), ("trend", 2)])
def test_a_page_prints_on_few_sheets(browser: Browser, pages: Path, name: str, most: int) -> None:
    with Opened(browser, pages / f"{name}.html") as page:
        pdf = page.pdf(format="A4", prefer_css_page_size=True)
        sheets = pdf.count(b"/Type /Page\n") or pdf.count(b"/Type /Page ") or pdf.count(b"/Type/Page/")
        assert 1 <= sheets <= most
        page.emulate_media(media="print")
        assert page.locator(".top").is_hidden()
        assert page.locator("h1").is_visible()
