"""What is copied from the table becomes numbers in a spreadsheet: LibreOffice Calc takes it in."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

TAB_SEPARATED = "CSV:9,34,76,1,,1033"
"""Tabs between fields, quotes, UTF-8, from the first line, columns as Calc takes them, English."""
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"


@pytest.fixture
def calc() -> str:
    """LibreOffice's command."""
    found = shutil.which("soffice") or shutil.which("localc")
    if not found:
        pytest.skip("there is no LibreOffice Calc here (Debian: libreoffice-calc)")
    return found


@pytest.mark.parametrize("name", ["failed", "tuned"])
def test_the_copied_table_gives_numbers_in_calc(
    window: Any, report: Any, calc: str, tmp_path: Path, name: str
) -> None:
    window.open(report(name))
    for box in ("trainable_parameters", "load_seconds", "first_loss"):
        window.run(f"document.querySelector('[data-column={box}]').checked = true")
    copied = window.run("return asTsv()")
    (tmp_path / "table.tsv").write_text(copied, "utf-8")
    sheet = opened(calc, tmp_path / "table.tsv")
    header, *rows = csv.reader(io.StringIO(copied), delimiter="\t", quoting=csv.QUOTE_NONE)
    assert len(sheet) == len(rows) + 1
    assert [str(cell) for cell in sheet[0][: len(header)]] == header
    numbers = 0
    for wanted, found in zip(rows, sheet[1:], strict=True):
        assert found[:2] == wanted[:2]  # names and statuses stay text
        for text, cell in zip(wanted[2:], found[2:], strict=False):
            assert cell == (float(text) if text else None)
            numbers += bool(text)
    assert numbers > 20


def opened(calc: str, path: Path) -> list[list[str | float | None]]:
    """The cells that Calc makes of a file: numbers as such, the rest as text."""
    profile = f"-env:UserInstallation={(path.parent / 'profile').as_uri()}"
    command = [calc, profile, "--headless", f"--infilter={TAB_SEPARATED}", "--convert-to", "fods"]
    subprocess.run(
        [*command, "--outdir", str(path.parent), str(path)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    root = ElementTree.parse(path.with_suffix(".fods")).getroot()
    return [cells for row in root.iter(f"{TABLE}table-row") if any(cells := list(_cells(row)))]


def _cells(row: ElementTree.Element) -> Any:
    for cell in row.iter(f"{TABLE}table-cell"):
        kind = cell.get(f"{OFFICE}value-type")
        value: str | float | None = "".join(cell.itertext()).strip() or None
        if kind in ("float", "percentage", "currency"):
            value = float(cell.get(f"{OFFICE}value") or "nan")
        yield from [value] * int(cell.get(f"{TABLE}number-columns-repeated", "1"))
