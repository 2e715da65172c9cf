"""What cells learnt, by the loss on examples that they did not train on.

How soon each was as good as the comparison's best, and which did not learn: such a cell says
nothing of its method, and is not ranked. A pure function of the records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from llmbench.analysis.checks import first_loss_problems, objective
from llmbench.analysis.facts import group
from llmbench.analysis.tuning import tuned
from llmbench.record.figure import SHARE, after, before
from llmbench.record.record import Cell, Record, Validation
from llmbench.record.variant import Variant, variants

NOTHING = 0.01
"""A share of its loss before: whoever improves by no more has learnt nothing."""
LITTLE = 0.25
"""A share of the best improvement: whoever improves by less has learnt little, for its method."""
HALF = 0.5
"""A share of the weights that a step meant to change: of fewer that it changed, many were lost.
Who then gained less than half of the best has not learnt what its method would teach."""
FEW, SLIGHT = 0.1, 0.1
"""The same, and a share of the loss before: so few and so little tell without any other cell."""
RISE = 0.1
"""A share of what was gained: a loss that rises again by more has been lower for a reason."""


DID_NOT_LEARN = "did not learn"
"""What stands in the place of its status."""


@dataclass(frozen=True)
class Finding:
    """Why a cell did not learn, to follow `did not learn: `, and a sentence on the way out."""

    cause: str
    way_out: str

    @property
    def reason(self) -> str:
        """Both, to follow a colon."""
        return f"{self.cause}. {self.way_out}"

    @property
    def sentences(self) -> str:
        """Both by themselves."""
        return self.reason[0].upper() + self.reason[1:]


@dataclass(frozen=True)
class Course:
    """What became of the validation loss, as the mean over seeds."""

    before: float
    after: float
    lowest: float
    moved: float | None
    """The share of the trained weights that a step changed, where it was looked at."""
    meant: float
    """The share that it meant to change; all of them where that does not show."""

    @property
    def gained(self) -> float:
        """By how much the loss fell."""
        return self.before - self.after

    @property
    def changed(self) -> float:
        """Of the weights that a step meant to change, the share that it changed."""
        return (self.moved or 0.0) / self.meant if self.meant else 1.0

    @property
    def fallen_back(self) -> bool:
        """Whether it was clearly lower before it ended."""
        rise = self.after - min(self.before, self.lowest)
        return rise > max(NOTHING * self.before, RISE * (self.before - self.lowest))


def course(records: Iterable[Record]) -> Course | None:
    """What became of the validation loss of a variant's records; None where that is not known, or
    is no measure of what they trained on.
    """
    known = [r for r in records if before(r) is not None and after(r) is not None]
    known = [r for r in known if not objective(r.cell)]
    if not known:
        return None
    looked = [r.moved for r in known if r.moved]
    return Course(
        before=fmean(v for r in known if (v := before(r)) is not None),
        after=fmean(v for r in known if (v := after(r)) is not None),
        lowest=fmean(min(_losses(r)) for r in known),
        moved=fmean(m.share for m in looked) if looked else None,
        meant=fmean(1.0 if m.meant is None else m.meant for m in looked) if looked else 1.0,
    )


def target(records: Sequence[Record]) -> float | None:
    """The validation loss that stands for quality among records that compare.

    None where nothing was validated, or nothing learnt. The way begins where weights that are not
    quantised begin: quantising takes a model back before it starts.
    """
    starts = [(b, r.quantized) for r in records if (b := before(r)) is not None]
    plain = [loss for loss, quantized in starts if not quantized] or [loss for loss, _ in starts]
    courses = (
        course(variant.records) for variant in variants([r for r in records if r.cell.trains])
    )
    lows = [one.lowest for one in courses if one]
    if not plain or not lows or min(lows) >= fmean(plain):
        return None
    return fmean(plain) - SHARE * (fmean(plain) - min(lows))


def targets(records: Sequence[Record]) -> dict[str, float]:
    """The target that each usable record has, by cell id."""
    return {r.cell.id: loss for alike in _alike(records) if (loss := target(alike)) for r in alike}


def time_to_quality(record: Record, target_loss: float) -> float | None:
    """Training seconds until the validation loss was down to the target; None if it never was.

    Between two validations the loss is taken to fall evenly. A deterministic cell has no time: it
    is slow on purpose.
    """
    if not record.cell.trains or record.cell.settings.deterministic:
        return None
    earlier = None
    for point in record.validation:
        if point.loss is not None and point.loss <= target_loss:
            return _crossing(earlier, point, target_loss)
        earlier = point
    return None


def times_to_quality(records: Sequence[Record]) -> dict[str, float]:
    """The time to quality of each cell that reached it, by cell id."""
    wanted = targets(records)
    times = {
        r.cell.id: time_to_quality(r, wanted[r.cell.id]) for r in records if r.cell.id in wanted
    }
    return {name: seconds for name, seconds in times.items() if seconds is not None}


def over_seeds(variant: Variant, times: Mapping[str, float]) -> list[float]:
    """The times to quality of a variant's seeds; none if one of them never reached it."""
    reached = [times[r.cell.id] for r in variant.counted if r.cell.id in times]
    return reached if len(reached) == len(variant.counted) else []


def did_not_learn(record: Record, best_improvement: float) -> Finding | None:
    """Why the record's cell did not learn, if it did not.

    `best_improvement` is the largest fall of the validation loss among cells that compare with it.
    """
    return _finding(course([record]), record.cell, best_improvement)


def unlearnt(records: Sequence[Record]) -> dict[str, Finding]:
    """The cells that did not learn, by id, with the reason. Seeds are judged by their mean."""
    findings: dict[str, Finding] = {}
    for alike in _alike(records):
        trained = variants([r for r in alike if r.cell.trains])
        courses = {variant.id: course(variant.records) for variant in trained}
        best = max((c.gained for c in courses.values() if c), default=0.0)
        for variant in trained:
            finding = _finding(courses[variant.id], variant.cell, best)
            findings |= {r.cell.id: finding for r in variant.records} if finding else {}
    return findings


def _alike(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Records that can be used, together with all that they compare with."""
    wrong = first_loss_problems(records)
    groups: dict[object, list[Record]] = defaultdict(list)
    for record in records:
        cell = record.cell
        usable = record.status == "ok" and not (
            cell.tuning or cell.fit or cell.repeat or cell.id in wrong
        )
        if usable and record.validation and not objective(cell):
            held_out = cell.validation_data and cell.validation_data.sha256
            groups[group(record), held_out].append(record)
    yield from groups.values()


def _losses(record: Record) -> list[float]:
    """The losses behind at least one step that are numbers."""
    return [v.loss for v in record.validation if v.step and v.loss is not None]


def _crossing(earlier: Validation | None, point: Validation, target_loss: float) -> float:
    """When the loss was down to the target, between two validations."""
    if earlier is None or earlier.loss is None or point.loss is None:
        return point.train_seconds
    share = (earlier.loss - target_loss) / (earlier.loss - point.loss)
    return earlier.train_seconds + share * (point.train_seconds - earlier.train_seconds)


def _finding(course: Course | None, cell: Cell, best: float) -> Finding | None:
    if course is None or not cell.trains:
        return None
    loses = cell.settings.numerics.loses_updates and course.moved is not None
    lost = loses and course.changed < HALF
    poor = (
        course.gained <= NOTHING * course.before
        or (course.gained < LITTLE * best and not tuned(cell))
        or (course.gained < HALF * best and lost)
        or (course.gained < SLIGHT * course.before and loses and course.changed < FEW)
    )
    return _explain(course, cell, lost) if poor else None


def _explain(course: Course, cell: Cell, lost: bool) -> Finding:
    """The likely cause, and what helps."""
    went = f"its validation loss went from {course.before:.3f} to {course.after:.3f}"
    if lost:
        return Finding(
            f"{went}, and its updates were lost to rounding: of its weights a step meant to "
            f"change {_percent(course.meant)}, it changed {_percent(course.moved or 0.0)}",
            "Leave --precision at its default, which keeps them.",
        )
    if course.fallen_back:
        way = f" by way of {course.lowest:.3f}" if course.lowest < course.before else ""
        return Finding(f"{went}{way}, and its learning rate is probably too high", _other("lower"))
    if tuned(cell):
        return Finding(f"{went} at a learning rate that was searched for", "Try more --steps.")
    return Finding(f"{went}, and its learning rate is probably too low", _other("higher"))


def _other(rate: str) -> str:
    return f"Have --tune find its learning rate, or give a {rate} --learning-rate."


def _percent(share: float) -> str:
    """A share, with as many digits as it takes to be more than nothing."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1g} %"
