"""Scoring again, from kept predictions: nothing is loaded, and nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from llmbench import __version__
from llmbench.config.setup import check_metrics
from llmbench.errors import ConfigError
from llmbench.plugin.blame import blamed
from llmbench.plugin.metric import Metric, ModelMetric
from llmbench.plugin.scoring import Scored, declared, metric
from llmbench.record.events import Say
from llmbench.record.figure import scores
from llmbench.record.record import Record
from llmbench.run import lock
from llmbench.source.safety import Trust
from llmbench.storage.export import Written, export
from llmbench.storage.store import Store


def rescore(store: Store, names: Sequence[str], trust: Trust, listen: Say) -> Written:
    """Score every kept prediction of a comparison with these metrics, and write its report again.

    They come before the metrics that there are, so that the first of them ranks; one that was there
    is computed anew. ConfigError where a metric cannot be, looks at the model, gives a score of the
    name of another metric's, or where there are no predictions; then nothing is changed.
    """
    check_metrics(names, trust)
    metrics = {name: metric(name) for name in names}
    comparison = store.read()
    for name, chosen in metrics.items():
        _refuse(name, chosen, comparison.records)
    if not any(r.examples for r in comparison.records):
        raise ConfigError(f"'{store.shown}' keeps no predictions: there is nothing to score.")
    with lock.directory(store.root, False, listen):
        rescored = {r.cell.id: scored(r, metrics) for r in store.latest() if r.examples}
        for record in rescored.values():
            store.rewrite(record)
        notice = (
            f"Scored again from kept predictions with llmbench {__version__}: {', '.join(names)}."
        )
        header = store.read_header()
        notices = dict.fromkeys([*header.notices, notice])
        store.write_header(header.model_copy(update={"notices": tuple(notices)}))
        written = export(store.read(), store.root)
        store.send(*written.paths)
        return written


def scored(record: Record, metrics: dict[str, Metric]) -> Record:
    """The record with the figures of these metrics before those of others that it has."""
    kept = tuple(m for m in record.measures if m.metric not in metrics)
    gone = {m.id for m in record.measures} - {m.id for m in kept}
    corpus = {n: v for n, v in record.corpus_scores.items() if n not in gone}
    bare = tuple(
        e.model_copy(update={"scores": {n: v for n, v in e.scores.items() if n not in gone}})
        for e in record.examples
    )
    known = Scored(bare, corpus)
    for name, made in metrics.items():
        with blamed("metric", made.id, "score"):
            texts = (known.predictions, known.references)
            known = known.plus(name, made, partial(made.score, *texts))
    return record.model_copy(
        update={
            "examples": known.examples,
            "corpus_scores": known.corpus,
            "measures": (*known.measures, *kept),
        }
    )


def _refuse(name: str, made: Metric, records: Sequence[Record]) -> None:
    """ConfigError where the metric needs the model, or takes the name of another one's score."""
    if isinstance(made, ModelMetric):
        made.score((), ())  # says so
    own = {m.id for m in declared(made)}
    others = {m.id: m.metric for r in records for m in r.measures if m.metric != name}
    undeclared = {f.id for f in scores(records)} - {m.id for r in records for m in r.measures}
    for taken in sorted(own & (others.keys() | undeclared)):
        by = f"'{others[taken]}'" if others.get(taken) else "something"
        raise ConfigError(
            f"'{name}' gives '{taken}', which {by} gave already: name another metric, or the same "
            "with other options."
        )
