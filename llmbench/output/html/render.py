"""The report: one self-contained HTML page, a pure function of the comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmbench.record.comparison import Comparison


def render(comparison: Comparison) -> str:
    """The page for a comparison. The same records give the same bytes."""
    # Here, since much else has use for the words of this package and none for its page.
    from llmbench.output.html.page import page
    from llmbench.output.html.view import view

    return page(view(comparison))
