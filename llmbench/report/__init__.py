"""The report: one self-contained HTML page, a pure function of the comparison."""

from llmbench.report.page import page
from llmbench.report.view import view
from llmbench.store import Comparison


def render(comparison: Comparison) -> str:
    """The page for a comparison. The same records give the same bytes."""
    return page(view(comparison.equal))
