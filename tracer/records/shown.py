"""What a result says of itself when it is printed, or shown in a notebook."""

from __future__ import annotations


class Shown:
    """A result that can be read: as text, as Markdown, as a page, as a card in a notebook.

    Its `repr` is one line, for lists and debuggers; its `str` is the text.
    """

    # The renderers stand above the nouns: this is the one import that points up, declared as such in pyproject.toml,
    # and made only when something is rendered.
    __slots__ = ()

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, *, show_all: bool = False, width: int = 100) -> str:
        """What the command line prints, without colours.

        Args:
            show_all: unfold every list.
            width: columns to stay within; layer paths and commands are never broken for it.
        """
        from tracer.report.forms import shown

        return shown.text_of(self, show_all=show_all, width=width)

    def to_markdown(self) -> str:
        """A summary in GitHub's Markdown, for a comment or the summary of a job."""
        from tracer.report.forms import shown

        return shown.markdown_of(self)

    def to_html(self) -> str:
        """One page that needs nothing else: no other file and no network.

        Raises:
            TracerError: if jinja2 or vl-convert-python isn't installed (the extra `html`).
        """
        from tracer.report.forms import shown

        return shown.html_of(self)

    def _repr_html_(self) -> str:
        from tracer.report.forms import shown

        return shown.card_of(self)
