"""Pages in headless Chromium, opened from disk as a reader opens them; the fixtures are in conftest.py."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@dataclass
class Opened:
    """A page in the browser, and what it did that a page must not do."""

    page: Page
    session: CDPSession
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    seconds: float = 0.0  # until it was loaded

    def told(self, selector: str) -> str:
        return " ".join(self.page.inner_text(selector).split())

    def computed(self) -> float:
        """Seconds that the page's own thread has worked: parsed, run its script, laid out."""
        measured = self.session.send("Performance.getMetrics")["metrics"]
        return next(float(each["value"]) for each in measured if each["name"] == "TaskDuration")

    def rows(self) -> list[str]:
        """Layer paths of the rows that are shown, from top to bottom."""
        return self.page.eval_on_selector_all(
            ".sortable tbody tr", "rows => rows.filter(r => !r.hidden).map(r => r.querySelector('summary').textContent)"
        )


class Reader:
    """Opens pages, and holds them to their promise when the test is over."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        self.opened: list[Opened] = []

    def open(self, source: str, **options: object) -> Opened:
        path = self._folder / f"page{len(self.opened)}.html"
        path.write_text(source, encoding="utf-8")
        page = self._browser.new_context(**{"viewport": WIDE, **options}).new_page()
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        opened = Opened(page, session)
        page.on("console", lambda message: opened.console.append(message.text))
        page.on("pageerror", lambda error: opened.console.append(str(error)))
        page.on("request", lambda request: opened.requests.append(request.url))
        begin = time.perf_counter()
        page.goto(path.as_uri())
        opened.seconds = time.perf_counter() - begin
        self.opened.append(opened)
        return opened
