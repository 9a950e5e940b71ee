"""Pages: one file of HTML each that needs no other file and no network."""

from tracer.report.page.cards import report_card
from tracer.report.page.pages import Above, bisection_page, matrix_page, outcomes_page, report_page
from tracer.report.page.templates import check_pages

__all__ = ["Above", "bisection_page", "check_pages", "matrix_page", "outcomes_page", "report_card", "report_page"]
