"""How large a report is, and how long it takes to render: for the shipped set and for many cells.

    python tests/benchmark/report_size.py

Prints the size and the processor's seconds, the best of three, after everything is imported. The
tests hold the sizes (tests/browser/test_layout.py); times depend on the machine and are printed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROUNDS = 3


def main() -> None:
    sys.path[:0] = [str(TESTS), str(TESTS / "browser")]
    import pages

    from llmbench.output.html.page import render

    render(pages.all_well())  # imports what is imported on first use
    for name in ("all_well", "failed", "thousand"):
        comparison = getattr(pages, name)()
        seconds = []
        for _ in range(ROUNDS):
            started = time.process_time()
            html = render(comparison)
            seconds.append(time.process_time() - started)
        cells, kib = len(comparison.records), len(html.encode()) / 1024
        print(f"{cells:5,} cells: {kib:8,.1f} KiB, {min(seconds):.2f} s")  # noqa: T201


if __name__ == "__main__":
    main()
