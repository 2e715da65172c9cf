"""axe-core finds nothing on the page, in light, dark and forced colours, wide and narrow.

Contrast is worked out here as well: axe leaves open what is in an SVG or scrolled out of sight.
"""

from __future__ import annotations

from typing import Any

import pytest

LOOKS = {
    "light": {"prefers_color_scheme": "light"},
    "dark": {"prefers_color_scheme": "dark"},
    "forced": {"prefers_color_scheme": "dark", "forced_colors": "active"},
    "narrow": {"prefers_color_scheme": "light"},
}
OPEN_ALL = """
for (const one of document.querySelectorAll("details")) one.open = true;
for (const box of document.querySelectorAll("[id^=column-]:not(:checked)")) box.click();
"""
RUN = """
const [contrast, done] = arguments;
const sizes = { enabled: true }; // off unless asked for
const rules = { "target-size": sizes, "color-contrast": { enabled: contrast } };
const options = { resultTypes: ["violations", "incomplete"], rules };
axe.run(document, options).then(done);
"""
CONTRAST = """
function light(colour) {
  const linear = colour.match(/[\\d.]+/g).slice(0, 3).map((c) => {
    const part = c / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
function contrast(a, b) {
  const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
const clear = (colour) => /^rgba.*, 0\\)$|^(none|transparent)$/.test(colour);
function behind(element) {
  for (let one = element; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if (!clear(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
}
const found = [];
function hold(element, colours, least) {
  const page = behind(element);
  const ratio = Math.max(0, ...colours.filter((c) => !clear(c)).map((c) => contrast(c, page)));
  if (ratio < least) found.push(`${ratio.toFixed(2)}: ${element.outerHTML.slice(0, 200)}`);
}
const spoken = [...document.body.querySelectorAll("*")].filter((one) =>
  !one.closest("svg, script, .unseen") && one.checkVisibility() &&
  [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
for (const one of spoken) hold(one, [getComputedStyle(one).color], 4.5);
const texts = [...document.querySelectorAll(".chart svg text")];
const marks = [...document.querySelectorAll(".chart svg [data-cell]")];
for (const text of texts) hold(text, [getComputedStyle(text).fill], 4.5);
for (const mark of marks) {
  const style = getComputedStyle(mark);
  hold(mark, [style.fill, style.stroke], 3);
}
return [spoken.length, texts.length, marks.length, found];
"""


def test_axe_is_a_current_one(axe: str) -> None:
    version = axe.split(maxsplit=3)[2].lstrip("v")
    assert tuple(int(part) for part in version.split(".")[:2]) >= (4, 12)


@pytest.mark.parametrize("name", ["all_well", "failed", "fitted", "tuned"])
def test_axe_finds_nothing(window: Any, report: Any, axe: str, name: str) -> None:
    """The smallest page in every look; of the others the rules that no colour matters to."""
    window.open(report(name))
    window.run(OPEN_ALL)
    window.run(axe)
    for look, features in LOOKS.items():
        window.emulate(**features)
        window.size(360 if look == "narrow" else 1280)
        spoken, texts, marks, faint = window.run(CONTRAST)
        assert spoken > 300
        assert texts > 50
        assert marks > 10
        assert faint == [], look
        if name == "failed" or look == "light":
            result = window.driver.execute_async_script(RUN, name == "failed")
            assert len(result["passes"]) > 40
            assert [said(rule) for rule in result["violations"]] == [], look
            assert {rule["id"] for rule in result["incomplete"]} <= {"color-contrast"}


def said(rule: dict[str, Any]) -> str:
    nodes = "\n".join(f"  {n['html'][:200]}\n  {n['failureSummary']}" for n in rule["nodes"][:5])
    return f"{rule['id']}: {rule['help']}, {len(rule['nodes'])} times\n{nodes}"
