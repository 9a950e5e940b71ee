"""A result in every form that it can be read in: text, Markdown, a page, a card in a notebook."""

from tracer.report.forms.markdown import outcomes_to_markdown, report_to_markdown
from tracer.report.forms.shown import card_of, html_of, markdown_of, text_of

__all__ = ["card_of", "html_of", "markdown_of", "outcomes_to_markdown", "report_to_markdown", "text_of"]
