"""How sure a figure is: intervals, verdicts on paired differences, and what it would take to tell.

Intervals hold 95 %. With one seed they cover the choice of examples, or the scatter of steps, and
not the luck of training; with several they cover both. Everything is seeded: the same records
give the same numbers. How far the intervals hold what they say is in `docs/figures.md`.

`interval` has the intervals of plain lists, `crossed` those of seeds and examples together,
`verdict` turns paired differences into words, `quality` and `rate` apply all that to records,
`need` says how much more it would take.
"""
