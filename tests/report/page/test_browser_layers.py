"""The table of layers, in a browser: sorted, searched, filtered, and its rows chosen by mouse and by keyboard."""

from __future__ import annotations

import pytest
from browsing import NARROW, Reader

from tracer.records import Report

pytestmark = pytest.mark.slow


def test_sorting(reader: Reader, samples: dict[str, Report]) -> None:
    opened = reader.open(samples["two_faults"].to_html())
    order = [layer.layer for layer in samples["two_faults"].layers]
    assert opened.rows() == order
    head = opened.page.locator(".sortable th", has_text="rel. error")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert opened.rows() == ["right#1:1", "cut", "b", "left", "left_relu", "out", "a"]
    head.locator("button").press("Enter")
    assert opened.rows()[0] == "a" and head.get_attribute("aria-sort") == "ascending"
    opened.page.locator(".sortable th button", has_text="layer").first.click()
    assert opened.rows() == sorted(order)
    assert head.get_attribute("aria-sort") is None


def test_searching_and_filtering(reader: Reader, samples: dict[str, Report]) -> None:
    opened = reader.open(samples["two_faults"].to_html())
    opened.page.fill("input[type=search]", "LEFT")
    assert opened.rows() == ["left", "left_relu"]
    assert opened.told("output") == "2 of 7 shown"
    opened.page.uncheck("input[value=inherited]")
    assert opened.rows() == ["left"]
    opened.page.fill("input[type=search]", "")
    opened.page.check("input[value=inherited]")
    assert len(opened.rows()) == 7 and opened.told("output") == ""
    opened.page.press("input[type=search]", "Enter")  # doesn't send a form
    assert len(opened.rows()) == 7


def test_a_mark_tells_its_numbers_and_leads_to_its_layer(reader: Reader, samples: dict[str, Report]) -> None:
    opened = reader.open(samples["two_faults"].to_html())
    opened.page.fill("input[type=search]", "nothing is called so")
    mark = opened.page.locator(".chart [data-row='3']")
    mark.hover(force=True)
    assert opened.told(".told").startswith("left (Dense): introduced; 1.0e-03 on the same inputs")
    mark.click(force=True)
    row = opened.page.locator("#layer-3")
    assert row.is_visible() and "chosen" in str(row.get_attribute("class"))
    assert "max abs" in row.inner_text()
    assert opened.page.evaluate("document.activeElement.textContent") == "left"


def test_a_card_leads_to_its_layer_and_zoom_widens_the_chart(reader: Reader, samples: dict[str, Report]) -> None:
    opened = reader.open(samples["nested_h5"].to_html())
    opened.page.click(".to-layer")
    assert opened.page.locator("#layer-3 details").get_attribute("open") is not None
    before = opened.page.locator(".chart svg").bounding_box()
    opened.page.click("[data-zoom='4']")
    after = opened.page.locator(".chart svg").bounding_box()
    assert before is not None and after is not None and after["width"] > 3.5 * before["width"]
    assert opened.page.get_attribute("[data-zoom='4']", "aria-pressed") == "true"
    assert opened.page.get_attribute("[data-zoom='1']", "aria-pressed") == "false"


def test_a_row_opens_its_layer_wherever_it_is_clicked(reader: Reader, samples: dict[str, Report]) -> None:
    page = reader.open(samples["two_faults"].to_html()).page
    row = page.locator("#layer-3")
    row.locator("td").nth(4).click()
    assert row.locator("details").get_attribute("open") is not None
    assert page.evaluate("document.activeElement.textContent") == "left"
    assert "chosen" in str(row.get_attribute("class"))
    assert "chosen" in str(page.get_attribute(".chart [data-row='3']", "class"))
    row.locator("dd").first.click()  # what is there to be read doesn't go when it is clicked
    assert row.locator("details").get_attribute("open") is not None
    row.locator("td").nth(2).click()
    assert row.locator("details").get_attribute("open") is None
    page.locator("#layer-4 summary").click()
    assert page.locator("#layer-4 details").get_attribute("open") is not None
    page.wait_for_selector("#layer-4.chosen")
    assert page.locator(".chosen").count() == 2  # its row and its mark


def test_what_a_row_opens_is_on_a_small_screen(reader: Reader, b7: Report) -> None:
    page = reader.open(b7.to_html(), viewport=NARROW).page
    row = page.locator("#layer-400")
    row.locator("td").nth(5).click()  # the table is scrolled to the right for it
    name, drawn = row.locator("summary").bounding_box(), row.locator("pre").first.bounding_box()
    assert name is not None and name["x"] >= 0  # its box is as wide as its column
    assert drawn is not None and drawn["x"] >= 0 and drawn["x"] + drawn["width"] <= NARROW["width"]


def test_arrows_go_from_row_to_row_that_is_shown(reader: Reader, samples: dict[str, Report]) -> None:
    page = reader.open(samples["two_faults"].to_html()).page
    page.fill("input[type=search]", "left")
    page.locator("#layer-3 summary").focus()
    reached = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
        reached.append(page.evaluate("document.activeElement.textContent"))
    assert reached == ["left_relu", "left_relu", "left", "left"]
    page.keyboard.press("Enter")
    page.wait_for_selector("#layer-3.chosen details[open]")


def test_a_layer_that_is_chosen_shows_its_values_and_where_it_differs(reader: Reader, b7: Report) -> None:
    """With the keyboard alone: the row of any layer, not of those at fault only."""
    opened = reader.open(b7.to_html())
    row = opened.page.locator("#layer-400")
    assert row.locator("pre").count() == 0
    row.locator("summary").focus()
    opened.page.keyboard.press("Enter")
    values, place = row.locator("pre").all()
    assert values.is_visible() and place.is_visible()
    assert "reference" in values.inner_text() and "from -1.25 to 3.5" in values.inner_text()
    assert place.inner_text().count("\n") == 6
    assert "rows 250–299, columns 250–299" in str(place.get_attribute("aria-label"))
