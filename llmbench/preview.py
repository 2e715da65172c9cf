"""What `--dry-run` shows: the plan, and where every value came from."""

from __future__ import annotations

from collections.abc import Sequence

from llmbench import config
from llmbench.composition import Outlook
from llmbench.setting import difference
from llmbench.setup import Setup


def preview(setup: Setup) -> str:
    """The plan and the configuration as text, without colour, for terminals and pipes alike."""
    shared, seeds = setup.config.settings, len(setup.config.every_seed)
    will = "run" if seeds == 1 else f"run, {seeds} seeds"
    ablated = {c.id for c in setup.ablated}
    cells = []
    for wanted in setup.compositions:
        found = wanted.outlook(shared, setup.environment)
        changes = ", ".join(
            f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}"
            for k, v in difference(shared, found.settings).items()
        )
        why = ", for --ablate" if wanted.id in ablated else ""
        cells.append((wanted.id, _will(found, f"{will}{why}"), changes))
    device = f"On {setup.environment.device_name}. Nothing was run."
    return "\n".join(
        [
            aligned(("CELL", "WILL", "DECLARES"), cells),
            "",
            configuration(setup),
            "",
            device,
        ]
    )


def _will(found: Outlook, otherwise: str) -> str:
    if found.broken:
        return f"fail: {found.broken}"
    return f"skipped: {found.skip}" if found.skip else otherwise


def configuration(setup: Setup) -> str:
    """Every option with its value and where that came from."""
    return aligned(("OPTION", "VALUE", "FROM"), config.rows(setup.resolved))


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, as wide as their widest cell."""
    table = [header, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table)
    return "\n".join(line.rstrip() for line in lines)
