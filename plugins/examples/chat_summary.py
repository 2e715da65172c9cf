"""A task that writes its prompts with the model's chat template, a system's words before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llmbench import hookimpl
from llmbench.plugin.task import Task, Turn

LLMBENCH_HOOKS = 1
SYSTEM = "You summarise dialogues in one sentence."


class ChatSummary(Task):
    """`--template chat` does this by itself; a task that wants a system's words does it here."""

    def write(self, turns: Sequence[Turn], tokenizer: Any) -> str:
        """As the tokenizer has it, or as plain roles for a model that has no chat template."""
        said = [Turn("system", SYSTEM), *turns]
        if not tokenizer.chat_template:
            lines = "".join(f"{turn.role}: {turn.text}\n" for turn in said)
            return f"{tokenizer.bos_token or ''}{lines}assistant:"
        messages = [{"role": turn.role, "content": turn.text} for turn in said]
        options = {"tokenize": False, "add_generation_prompt": True}
        text: str = tokenizer.apply_chat_template(messages, **options)
        return text


CHAT_SUMMARY = ChatSummary(
    id="chat-summary",
    summary="dialogues to summaries, as a conversation with a system's words",
    template="Summarise this:\n\n{input}",
    metrics=("rouge",),
)


@hookimpl
def register_tasks(register: Callable[[Task], None]) -> None:
    """Offer `chat-summary`."""
    register(CHAT_SUMMARY)
