"""Any task of lm-evaluation-harness, asked of the trained model: its prompts, and its scores."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from llmbench.errors import ConfigError, message
from llmbench.plugin.metric import ModelMetric, Score, Subject
from llmbench.record.measure import Better, Measure
from llmbench.source import model

INSTALL = "'lm-eval' needs lm-evaluation-harness: pip install 'llmbench[lm-eval]'."
SHARES = ("acc", "acc_norm", "exact_match", "f1", "em")
"""Metrics of the harness that go from 0 to 1 whatever the task."""


class LmEval(ModelMetric):
    """`lm-eval:arc_easy`, or `lm-eval:FOLDER/NAME` for a task of one's own in a folder of YAML.

    The task has documents, prompts and few-shot examples of its own: those of `--eval-data` play
    no part. The first of the task's metrics ranks, in the direction that the harness gives it. They
    are figures of all its documents, and the harness's standard error stands beside each that has
    one.
    """

    id = "lm-eval"
    summary = "any task of lm-evaluation-harness, as in lm-eval:arc_easy; looks at the model"
    modules: ClassVar[tuple[str, ...]] = ("lm_eval",)

    limit: int | None = Field(None, ge=2, description="Documents that are asked, at most.")
    fewshot: int | None = Field(
        None, ge=0, description="Examples in a prompt; the task's unless given."
    )
    batch: int = Field(8, ge=1, description="Requests at a time.")
    chat: bool = Field(False, description="Whether prompts are written in the chat template.")

    _declared: list[Measure] = PrivateAttr(default_factory=list)

    @classmethod
    def check(cls, argument: str | None) -> str | None:
        """A task has to be named, the package to be there, and so has a folder that is named."""
        if not argument:
            return "'lm-eval' needs a task: write lm-eval:NAME, or lm-eval:FOLDER/NAME."
        if importlib.util.find_spec("lm_eval") is None:
            return INSTALL
        folder = _folder(argument)
        if folder is not None and not list(folder.rglob("*.yaml")):
            return f"There is no folder '{folder}' with tasks in YAML: check the path."
        return None

    @classmethod
    def local_code(cls, argument: str | None) -> str | None:
        """A task in YAML may call functions of a script beside it."""
        folder = _folder(argument or "")
        return f"the tasks in {folder}" if folder is not None else None

    def measures(self) -> Sequence[Measure]:
        """The task's metrics, which are known once it was asked."""
        return self._declared

    def look(self, subject: Subject) -> Score:
        """Ask the model; ConfigError where the harness cannot ask that task."""
        results = self._asked(subject)
        name = Path(self.argument or "").name
        if name not in results["results"]:
            raise ConfigError(f"lm-evaluation-harness gives no result of '{name}': name one task.")
        figures = _figures(results["results"][name])
        better = results["higher_is_better"].get(name, {})
        self._declared[:] = [_measure(name, key, better) for key in figures]
        return Score(corpus={f"{name}.{key}": value for key, value in figures.items()})

    def _asked(self, subject: Subject) -> dict[str, Any]:
        """What the harness says of the task."""
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        folder = _folder(self.argument or "")
        paired = subject.model.config.is_encoder_decoder
        try:
            manager = TaskManager(
                include_path=folder and str(folder), include_defaults=folder is None
            )
            asked = HFLM(
                pretrained=subject.model,
                tokenizer=copy.deepcopy(subject.tokenizer),  # it is given tokens that it lacks
                backend="seq2seq" if paired else "causal",
                batch_size=self.batch,
            )
            results: dict[str, Any] = simple_evaluate(
                model=asked,
                tasks=[Path(self.argument or "").name],
                task_manager=manager,
                num_fewshot=self.fewshot,
                limit=self.limit,
                apply_chat_template=self.chat,
                bootstrap_iters=BOOTSTRAPS,
                log_samples=False,
            )
        except (KeyError, OSError, ValueError) as error:
            why = message(error).strip().split("\n")[0] or type(error).__name__
            raise ConfigError(
                f"lm-evaluation-harness cannot ask '{self.argument}' ({why}): see "
                "'lm-eval ls tasks' for its names; the data of most come from a hub."
            ) from error
        return results


BOOTSTRAPS = 1000
"""Samples for the standard error of a metric that has no formula for it."""


def _folder(argument: str) -> Path | None:
    """The folder that an argument names before the task, if it names one."""
    if "/" not in argument:
        return None
    before = str(Path(argument).parent)
    return model.path_of(before) or Path(before)


def _figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Numbers by name: `acc`, `acc_stderr`, or `exact_match.strict` of a filter called strict."""
    figures = {}
    for key, value in found.items():
        name, _, kept = key.partition(",")
        if isinstance(value, int | float) and not isinstance(value, bool) and kept:
            figures[name if kept == "none" else f"{name}.{kept}"] = float(value)
    return figures


def _measure(task: str, name: str, higher_is_better: Mapping[str, bool | None]) -> Measure:
    """What a figure means; a standard error ranks nothing."""
    metric = name.partition(".")[0]
    known = higher_is_better.get(metric)
    better: Better = "neither" if known is None else "higher" if known else "lower"
    share = metric in SHARES
    return Measure(
        id=f"{task}.{name}",
        label=f"{task} {name}",
        better=better,
        unit="score" if share else "number",
        least=0.0 if share else None,
        most=1.0 if share else None,
        meaning=f"'{name}' of lm-evaluation-harness's task '{task}'",
    )
