"""The report: one self-contained HTML page, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from llmbench.output.html.prose import breakable, prose, whole
from llmbench.output.html.view import View, view
from llmbench.record.comparison import Comparison

TEMPLATES = Path(__file__).parent / "templates"
FIRST_FIGURE = 3
"""The table's column, counted from 1, that holds the first figure."""


def render(comparison: Comparison) -> str:
    """The page for a comparison. The same records give the same bytes."""
    return page(view(comparison))


def page(view: View) -> str:
    """Fill the template."""
    style = _asset("report.css") + column_rules(len(view.table.figures))
    script = _asset("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            style=Markup(style),
            script=Markup(script),
            policy=policy(style, script),
        )
    )


def column_rules(count: int) -> str:
    """Style that hides each column whose box is not ticked, so that choosing needs no script."""
    rule = "section:has(#column-{}:not(:checked)) .cells :is(th,td):nth-child({}){{display:none}}\n"
    return "".join(rule.format(n, n + FIRST_FIGURE - 1) for n in range(1, count + 1))


def policy(style: str, script: str) -> str:
    """A content security policy that allows this style and this script, and no request."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_digest(style)}",
            f"script-src {_digest(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "breakable": breakable, "whole": whole}
    return environment


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


def _digest(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
