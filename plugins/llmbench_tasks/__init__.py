"""The built-in tasks."""

from collections.abc import Callable

from llmbench import hookimpl
from llmbench.plugin.task import Task
from llmbench_tasks.classification import CLASSIFICATION
from llmbench_tasks.instructions import INSTRUCTIONS
from llmbench_tasks.language_modelling import LANGUAGE_MODELLING
from llmbench_tasks.question_answering import QUESTION_ANSWERING
from llmbench_tasks.summarization import SUMMARIZATION
from llmbench_tasks.translation import TRANSLATION

TASKS = (
    SUMMARIZATION,
    INSTRUCTIONS,
    QUESTION_ANSWERING,
    TRANSLATION,
    CLASSIFICATION,
    LANGUAGE_MODELLING,
)


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer all of them."""
    for task in TASKS:
        register(task)
