"""What a result says of itself when it is printed, or shown in a notebook."""

from __future__ import annotations

import importlib
from typing import Protocol, cast


class _Forms(Protocol):
    """What this module needs of `tracer.report.forms.shown`."""

    def text_of(self, noun: Shown, *, show_all: bool, width: int) -> str: ...
    def markdown_of(self, noun: Shown) -> str: ...
    def html_of(self, noun: Shown) -> str: ...
    def card_of(self, noun: Shown) -> str: ...


class Shown:
    """A result that can be read: as text, as Markdown, as a page, as a card in a notebook.

    Its `repr` is one line, for lists and debuggers; its `str` is the text.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, *, show_all: bool = False, width: int = 100) -> str:
        """What the command line prints, without colours.

        Args:
            show_all: unfold every list.
            width: columns to stay within; layer paths and commands are never broken for it.
        """
        return _forms().text_of(self, show_all=show_all, width=width)

    def to_markdown(self) -> str:
        """A summary in GitHub's Markdown, for a comment or the summary of a job."""
        return _forms().markdown_of(self)

    def to_html(self) -> str:
        """One page that needs nothing else: no other file and no network.

        Raises:
            TracerError: if jinja2 or vl-convert-python isn't installed (the extra `html`).
        """
        return _forms().html_of(self)

    def _repr_html_(self) -> str:
        return _forms().card_of(self)


def _forms() -> _Forms:
    """The renderers stand above the nouns, so nothing here imports them; they are looked up when they are needed."""
    return cast(_Forms, importlib.import_module("tracer.report.forms.shown"))
