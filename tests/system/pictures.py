"""Makes the pictures of the documents again: `python -m tests.system.pictures`, or `make pictures`.

The pages show the same real flights as the tests of the pages, in headless Chromium.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Locator, Page, sync_playwright

from monitoring.report import page as report_page
from monitoring.report import trend as trend_page
from tests.monitoring.report.flights_run import flights_run, flights_trend
from tests.system.test_pages import CHROMIUM, FLAGS

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDTH, TOP, COLUMN = 1280, 1080, "temp"


def main() -> None:
    """Writes report.png, report-column.png and trend.png."""
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        report, trend = Path(name, "report.html"), Path(name, "trend.html")
        report.write_text(report_page.render(flights_run(), trend="trend.html"))
        trend.write_text(trend_page.render(flights_trend()))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": TOP}, color_scheme="light")
        page.goto(report.as_uri())
        page.screenshot(path=IMAGES / "report.png")
        page.goto(f"{report.as_uri()}#{COLUMN}")
        _open_column(page).screenshot(path=IMAGES / "report-column.png")
        page.goto(trend.as_uri())
        page.screenshot(path=IMAGES / "trend.png")
        browser.close()


def _open_column(page: Page) -> Locator:
    column = page.locator(f'details[data-n="{COLUMN}"]')
    column.evaluate("element => { element.open = true }")
    return column


if __name__ == "__main__":
    main()
