"""What a reader should know before trusting the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from llmbench.analysis import facts, field
from llmbench.analysis.checks import COSTLY, elsewhere, quantization_cost, unchecked
from llmbench.analysis.facts import group
from llmbench.analysis.names import named
from llmbench.analysis.standing import Standing
from llmbench.record.comparison import Comparison
from llmbench.record.figure import blindness, unseeing
from llmbench.text import clean, code, listed, plural
from llmbench.units import percent, share
from llmbench.wording import phrases, racing
from llmbench.wording.cautions import MOST_WARNINGS, cautions, unsteady
from llmbench.wording.scaling import scaled
from llmbench.wording.scope import scope

MOST_TELLING = 3
"""Facts by which those that the answer is for are told from the others."""


@dataclass(frozen=True)
class Note:
    """One thing to know: `wrong` figures, a `warning`, or a `note` on how they came about."""

    kind: Literal["wrong", "warning", "note"]
    text: str


def notes(comparison: Comparison, standing: Standing) -> tuple[Note, ...]:
    """All notes, the gravest first."""
    every = [
        *_wrong(standing),
        *_blind(standing),
        *(Note("warning", clean(w)) for w in comparison.header.warnings),
        *_unlearnt(standing),
        *(Note("warning", clean(p)) for p in comparison.problems),
        *_unchecked(standing),
        *_elsewhere(standing),
        *_brought(standing),
        *_quantized(standing),
        *_timed(comparison, standing),
        *_missing(comparison),
        *_ended(standing),
        *_environments(standing),
        *(Note(kind, sentence) for kind, sentence in scope(standing)),
        *(Note("warning", c) for c in cautions(standing.records)),
        *_rough(standing),
        *(Note("note", sentence) for sentence in scaled(standing)),
        *_groups(standing),
        *_notices(comparison, standing),
    ]
    order = {"wrong": 0, "warning": 1, "note": 2}
    return tuple(sorted(every, key=lambda n: order[n.kind]))


def gravest(every: Sequence[Note]) -> tuple[Note, ...]:
    """The few that a reader has to know first; none of them a mere note."""
    return tuple([n for n in every if n.kind != "note"][:MOST_WARNINGS])


def _wrong(standing: Standing) -> Iterator[Note]:
    for variant in standing.variants:
        problem = standing.problem(variant)
        if problem:
            yield Note("wrong", f"{standing.name(variant)} is out of the running. {problem}")


def _unlearnt(standing: Standing) -> Iterator[Note]:
    for variant in standing.variants:
        finding = standing.finding(variant)
        if finding:
            sentence = f"{standing.name(variant)} did not learn, which says nothing of its method: "
            yield Note("warning", sentence + finding.reason)


def _blind(standing: Standing) -> Iterator[Note]:
    """What a metric cannot see of the texts, and what to use instead."""
    metrics = unseeing(standing.records)
    if metrics:
        hidden = percent(blindness(standing.records, metrics[0].blind), 1)
        labels = listed([measure.label for measure in metrics])
        verb = "does" if len(metrics) == 1 else "do"
        instead = f" (--metrics {metrics[0].instead})" if metrics[0].instead else ""
        yield Note(
            "wrong",
            f"{labels} cannot see {hidden} of the letters and digits in the references, and {verb} "
            f"not rank. Score them with another metric{instead}.",
        )


def _unchecked(standing: Standing) -> Iterator[Note]:
    cells = {r.cell.id for r in unchecked(standing.records)}
    variants = [a for a in standing.variants if any(r.cell.id in cells for r in a.records)]
    if variants:
        names = listed([standing.name(variant) for variant in variants])
        yield Note(
            "warning",
            f"The untrained model's first loss is not known, so that nobody can tell whether "
            f"{names} started from it.",
        )


def _elsewhere(standing: Standing) -> Iterator[Note]:
    """What starts elsewhere than the base model, as its strategies declare."""
    for variant in standing.variants:
        reason = elsewhere(variant.first)
        if reason:
            loss = variant.first.first_loss
            at = "" if loss is None else f" (first loss {loss:.3f})"
            yield Note(
                "note",
                f"{standing.name(variant)} does not start from the base model's loss, as it "
                f"declares{at}: {clean(reason)}",
            )


BROUGHT = {
    "train": "a training loop of its own, which is timed with whatever comes between two steps",
    "load": "a model that it loads itself",
    "batches": "batches of its own making",
    "schedule": "a learning-rate schedule of its own",
    "loss": "a loss of its own in training, held against the model's before anything is learnt",
}
"""What strategies have in place of the harness's, in words; an optimiser is named where it is."""


def _brought(standing: Standing) -> Iterator[Note]:
    """What strategies replace of the harness, by strategy."""
    members = {m.id: m for v in standing.variants for m in v.cell.members}
    for name, member in members.items():
        brings = [what for what in member.brings if what in BROUGHT]
        if member.objective:
            brings = [what for what in brings if what != "loss"]
            yield Note(
                "note",
                f"{code(name)} trains on {clean(member.objective)}: its training losses are not "
                "to be held against others. Validation and evaluation are as for all.",
            )
        own = [BROUGHT[what] for what in brings]
        if own:
            yield Note("note", f"{code(name)} brings {listed(own)}.")


def _quantized(standing: Standing) -> Iterator[Note]:
    """What quantisation alone does to the base model, before anything is learnt."""
    costs = {
        standing.name(variant): cost
        for variant in standing.variants
        if (cost := quantization_cost(variant.first, standing.records)) and cost > COSTLY
    }
    if costs:
        raised = listed([f"{share(cost)} in {name}" for name, cost in costs.items()])
        yield Note(
            "note",
            f"Quantisation alone raises the base model's loss before anything is learnt: {raised}.",
        )


def _timed(comparison: Comparison, standing: Standing) -> Iterator[Note]:
    """What a time budget left out and gave up, and how it was spent."""
    if left_out := racing.left_out(standing):
        yield Note("warning", left_out)
    yield from (Note("note", sentence) for sentence in racing.remarks(comparison, standing))
    yield from (Note("note", sentence) for sentence in racing.given_up_rows(standing))


def _missing(comparison: Comparison) -> Iterator[Note]:
    recorded = {r.cell.id for r in comparison.records}
    planned = [p.cell for p in comparison.header.plan.cells]
    names = named(planned, seeds=True)
    absent = [code(names[cell.id]) for cell in planned if cell.id not in recorded]
    if absent:
        verb = "has" if len(absent) == 1 else "have"
        yield Note("warning", f"{listed(absent)} {verb} no record: the comparison is not complete.")


def _ended(standing: Standing) -> Iterator[Note]:
    """What is not in the running because of how it ended, or is so with fewer seeds."""
    left_out = [a for a in standing.variants if all(map(racing.not_run, a.records))]
    skipped = [a for a in standing.variants if not a.well and a.first.status == "skipped"]
    bad = [a for a in standing.variants if len(a.well) < len(a.records) and a not in skipped]
    for variants, what in (
        ([a for a in bad if not a.sound], "Not in the running"),
        ([a for a in bad if a.sound], "Interrupted, and in the running with fewer seeds"),
    ):
        if variants:
            endings = listed([f"{standing.name(a)} ({a.ending()})" for a in variants])
            yield Note("warning", f"{what}: {endings}. The table says why.")
    others = [a for a in skipped if a not in left_out]
    if others:
        yield Note("note", f"Skipped: {listed([standing.name(a) for a in others])}.")


def _rough(standing: Standing) -> Iterator[Note]:
    """That speeds scatter, where it is no warning."""
    said, grave = unsteady(standing.records)
    if said and not grave:
        yield Note("note", said)


def _groups(standing: Standing) -> Iterator[Note]:
    """Whom the answer is for, where not all cells compare with each other."""
    if not _several(standing):
        return
    concerned = [
        variant for variant in standing.competing or standing.variants if variant.cell.trains
    ]
    others = [a for a in standing.variants if a.cell.trains and group(a) != group(concerned[0])]
    shared, other = field.shared(concerned[0]), [field.shared(variant) for variant in others]
    telling = [f"{n} {v}" for n, v in shared.items() if any(o.get(n, v) != v for o in other)]
    yield Note(
        "warning",
        f"The answer is for the {plural(len(concerned), phrases.row(standing))} with "
        f"{clean(listed(telling, MOST_TELLING))}. Those that differ in model, data, "
        "settings or device do not compare with them.",
    )


def _several(standing: Standing) -> bool:
    """Whether there are trained variants that do not compare with each other."""
    return (
        len(
            {
                group(variant)
                for variant in standing.variants
                if variant.well and variant.cell.trains
            }
        )
        > 1
    )


def _notices(comparison: Comparison, standing: Standing) -> Iterator[Note]:
    """What was noted of how the comparison was set up or merged, unless it is said already."""
    said = {facts.OTHERWISE} if _several(standing) else set()
    for notice in comparison.header.notices:
        if notice not in said:
            yield Note("note", clean(notice))


def _environments(standing: Standing) -> Iterator[Note]:
    ran = [r.environment for r in standing.records if r.environment and r.status != "skipped"]
    devices = list(dict.fromkeys(clean(environment.device_name) for environment in ran))
    versions = {tuple(sorted(environment.versions.items())) for environment in ran}
    if len(devices) > 1:
        what = f"on different machines, {listed(devices)}"
    elif len(versions) > 1:
        what = "with different versions of libraries"
    else:
        return
    yield Note("warning", f"The methods ran {what}: their speed and memory do not compare.")
