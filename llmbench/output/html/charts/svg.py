"""From Vega's SVG to the page's: colours that follow the theme, text alternatives, less of it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from markupsafe import Markup

SPACE = "http://www.w3.org/2000/svg"
COLOURS = {
    "#000001": "ink",
    "#000002": "muted",
    "#000003": "grid",
    "#000004": "accent",
    "#000005": "soft",
    "#000006": "page",
    **{f"#0000a{n}": f"series{n}" for n in range(1, 9)},
    **{f"#0000b{n}": f"stack{n}" for n in range(1, 6)},
}
"""Colours that charts are drawn with, and the class that the style sheet knows them by."""
DROPPED = frozenset(
    {
        "font-family",
        "style",
        "pointer-events",
        "aria-roledescription",
        "stroke-miterlimit",
        "aria-hidden",
        "role",
        "class",
        "opacity",
        "aria-label",
    }
)
GEOMETRY = frozenset({"d", "transform", "x", "y", "x2", "y2"})
MARK = re.compile(r"^\[(\d+)\] (?s:(.*))$")
"""A mark's description: the number of its cell in brackets, then what it says."""
NUMBER = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")


def finish(text: str, name: str, title: str, description: str) -> Markup:
    """The SVG for the page. `name` keeps its ids apart from those of other charts."""
    root = ElementTree.fromstring(text)
    _prune(root)
    for element in root.iter():
        _rewrite(element, name)
    for key in ("height", "version"):
        root.attrib.pop(key, None)
    labels = {"title": title, "desc": description}
    for position, (tag, content) in enumerate(labels.items()):
        child = ElementTree.Element(f"{{{SPACE}}}{tag}", {"id": f"{name}-{tag}"})
        child.text = content
        root.insert(position, child)
    root.set("role", "graphics-document")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    ElementTree.register_namespace("", SPACE)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _prune(parent: ElementTree.Element) -> None:
    """Take out what draws nothing: Vega's frames, and its white background."""
    for child in list(parent):
        kind = child.get("class", "")
        invisible = kind in {"background", "foreground"} or child.get("fill") == "white"
        _prune(child)
        if invisible or (child.tag.endswith("}g") and not len(child)):
            parent.remove(child)


def _rewrite(element: ElementTree.Element, name: str) -> None:
    described = MARK.match(element.get("aria-label", ""))
    classes = [
        f"{prefix}-{COLOURS[value]}"
        for prefix, key in (("f", "fill"), ("s", "stroke"))
        if (value := element.get(key)) in COLOURS
    ]
    faint = element.get("opacity") == "0"
    kept = ((k, v) for k, v in element.attrib.items() if k not in DROPPED and v not in COLOURS)
    attributes = {key: _attribute(key, value, name) for key, value in kept}
    element.attrib.clear()
    element.attrib.update(attributes)
    if faint:
        classes.append("none")
    if classes:
        element.set("class", " ".join(classes))
    if described:
        _describe(element, described[1], described[2])


def _attribute(key: str, value: str, name: str) -> str:
    if key in GEOMETRY:
        return NUMBER.sub(_rounded, value)
    if key == "clip-path":
        return value.replace("#clip", f"#{name}-clip")
    return f"{name}-{value}" if key == "id" else value


def _describe(element: ElementTree.Element, cell: str, text: str) -> None:
    element.set("role", "graphics-symbol")
    element.set("aria-label", text)
    element.set("data-cell", cell)
    child = ElementTree.SubElement(element, f"{{{SPACE}}}title")
    child.text = text


def _rounded(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"
