"""Pictures instead of texts: their task, what models of them are good at, and noise for diffusion.

`make.py` beside it makes the data and the models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import PrivateAttr

from llmbench import hookimpl
from llmbench.errors import ConfigError
from llmbench.plugin.metric import Metric, ModelMetric, Score, Subject
from llmbench.plugin.strategy import Strategy
from llmbench.plugin.task import Task
from llmbench.record.measure import Measure

LLMBENCH_HOOKS = 1
TIMES = (10, 30, 50, 70, 90)
"""Of 100 steps from a picture to noise, those at which a diffusion model is asked."""

PICTURES = Task(
    id="pictures",
    summary="pictures, each pixel a word, and their captions",
    template="{input}",
    input_fields=("pixels",),
    target_fields=("caption",),
    metrics=("retrieval",),
)


class Retrieval(ModelMetric):
    """1 where a picture's own caption is nearer to it than every other caption is."""

    id = "retrieval"
    summary = "share of pictures whose own caption is the nearest; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """Retrieval at 1, among the captions of all evaluated pictures."""
        meaning = "share of pictures whose own caption is the nearest of all"
        return [Measure(id="retrieval", label="Retrieval", meaning=meaning)]

    def look(self, subject: Subject) -> Score:
        """1 or 0 for each picture."""
        import torch

        captions = sorted({wanted[0] for wanted in subject.references})
        said = subject.tokenizer([f"{c} </s>" for c in captions], padding=True, return_tensors="pt")
        near = _asked(subject, "similarities", captions=said["input_ids"].to(subject.model.device))
        nearest = [captions[i] for i in near.argmax(1).tolist()]
        pairs = zip(nearest, subject.references, strict=True)
        assert torch.isfinite(near).all()
        return Score(examples={"retrieval": [float(c == wanted[0]) for c, wanted in pairs]})


class Denoising(ModelMetric):
    """The mean square error of predicted noise, at five times of each picture, on equal noise."""

    id = "denoising"
    summary = "error of the noise that a diffusion model predicts; looks at the model"

    def measures(self) -> Sequence[Measure]:
        """0 for noise that is found; 1 for a model that predicts none."""
        meaning = "mean square error of the noise predicted in a held-out picture"
        return [
            Measure(id="denoising", label="Noise error", better="lower", most=None, meaning=meaning)
        ]

    def look(self, subject: Subject) -> Score:
        """The mean over the times of each picture."""
        import torch

        draws, device = torch.zeros(len(subject.inputs), dtype=torch.long), subject.model.device
        found = [
            _asked(subject, "errors", draws=draws, times=torch.full_like(draws, t).to(device))
            for t in TIMES
        ]
        return Score(examples={"denoising": torch.stack(found).mean(0).tolist()})


def _asked(subject: Subject, what: str, **given: Any) -> Any:
    """What a method of the model says of all pictures; ConfigError where it has no such."""
    import torch

    method = getattr(subject.model, what, None)
    if method is None:
        raise ConfigError(f"This model has no '{what}': name the metric that is made for it.")
    ids = subject.tokenizer(list(subject.inputs), return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return method(ids.to(subject.model.device), **given)


class FreshNoise(Strategy):
    """Draws other noise whenever a picture comes again, which diffusion is trained with."""

    id = "fresh-noise"
    summary = "noise that is drawn anew whenever a picture is seen again"
    group = "noise"

    _seen: Counter[Any] = PrivateAttr(default_factory=Counter)

    def batches(self, examples: Sequence[Any], pad: int) -> Mapping[str, Any]:
        """The padded batch, and how often each picture of it was there before."""
        import torch

        from llmbench.worker.batch import collate

        draws = [self._seen[example.ids] for example in examples]
        self._seen.update(example.ids for example in examples)
        return collate(examples, pad).inputs | {"draws": torch.tensor(draws)}


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer `pictures`."""
    register(PICTURES)


@hookimpl
def register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Offer `retrieval` and `denoising`."""
    register(Retrieval)
    register(Denoising)


@hookimpl
def register_strategies(register: Callable[[type[Strategy]], None]) -> None:
    """Offer `fresh-noise`."""
    register(FreshNoise)
