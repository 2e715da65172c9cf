"""What a comparison with a time budget planned, how far it came, and what it gave up."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from llmbench.units import Amount, Count, Seconds

Level = Annotated[float, Field(gt=0, lt=0.5)]
"""A chance of error."""

End = Literal["", "time", "decided", "seeds"]
"""Why such a comparison ended: its time was over, nothing was undecided any more, or every seed was
used; empty while it goes on, or where its user ended it."""


class GivenUp(BaseModel):
    """A composition that got no further seeds, as it was clearly worse than the best by then."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    composition: str
    seeds: Count
    """That it had been trained with by then."""
    leader: str
    """The composition that was best by then."""
    difference: Amount
    """Its mean score minus the leader's, over the seeds and examples that both have."""
    low: Amount
    high: Amount
    """The interval of that, at the level of the comparison."""


class Timed(BaseModel):
    """A time budget, what was planned to keep it, and what became of that.

    It is written down as the comparison goes on, so that a run into the same directory goes on with
    the same plan in the time that is left.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    seconds: Seconds
    """The budget."""
    spent_seconds: Seconds = 0.0
    """Of all runs into the directory so far."""
    look_level: Level
    """The chance that any interval of a difference misses at a look: `llmbench.analysis.race`."""
    last_level: Level
    """The same on the page of a race that went on for as long as it could."""
    looks: tuple[Count, ...] = ()
    """After how many seeds the methods are held against each other; none where no quality is."""
    first: str = ""
    """The first cell as it was laid out: with another one, it is another comparison."""
    pilot: str = ""
    """The cell that measured how long cells take."""
    tries: Count | None = None
    """Learning rates to try for each arithmetic at least, 0 for none; None before it is planned."""
    rates: dict[str, Amount] | None = None
    """The learning rates that were found, by arithmetic; None before the search is over."""
    seeds: Count | None = None
    """Seeds that all methods are expected to get; None before that is planned."""
    examples: Count | None = None
    """Examples to evaluate; None before that is planned."""
    given_up: tuple[GivenUp, ...] = ()
    end: End = ""

    @property
    def level(self) -> float:
        """The chance that any interval of a difference on the page misses.

        Where a look ended the race, or the user did, it is that of the looks.
        """
        return self.last_level if self.end in ("time", "seeds") else self.look_level
