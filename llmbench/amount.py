"""What a number in a record may be: what can be counted with, and drawn.

A record may have been edited by hand, or come from somebody else: one number that nothing can be
made of is better refused with its record than met in the middle of the report.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MOST = 1e100
"""Beyond any measurement; sums and squares of so much are still numbers."""

MOST_COUNT = 2**63 - 1
"""As much as there are addresses for, and as most formats and programs can count."""

Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
"""Things, tokens or bytes."""
Whole = Annotated[int, Field(ge=-MOST_COUNT, le=MOST_COUNT)]
Amount = Annotated[float, Field(ge=-MOST, le=MOST)]
"""A figure that may be below zero."""
Seconds = Annotated[float, Field(ge=0, le=MOST)]
"""A coarse clock may see none pass."""
