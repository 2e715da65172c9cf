"""Translation: rows with a pair of languages, or with a column for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from llmbench.plugin.row import LANGUAGES, Unusable, references, words
from llmbench.plugin.task import Example, Task

DATA = Path(__file__).parent / "data"
PAIR = "translation"
"""The field of a pair: `{"translation": {"en": ..., "de": ...}}`."""


@dataclass(frozen=True)
class Translation(Task):
    """From one language to another; of a pair, from the first to the second unless it is said."""

    source: Annotated[str, Field(description="Language that is translated, as data name it.")] = ""
    target: Annotated[str, Field(description="Language to translate into, likewise.")] = ""

    def __post_init__(self) -> None:
        """ValueError for a language into itself."""
        if self.source and self.source == self.target:
            raise ValueError("source and target are the same language.")

    def read(self, row: Mapping[str, Any]) -> Example:
        """A sentence, and what is right for it; several, where the data have a list."""
        pair = row.get(PAIR)
        if pair is not None and not isinstance(pair, Mapping):
            raise Unusable(f"no pair of languages in '{PAIR}'")
        texts = row if pair is None else pair
        source, target = self.languages(texts, paired=pair is not None)
        named = [LANGUAGES.get(language, language) for language in (source, target)]
        return Example(
            id="",
            input=words(texts, source),
            references=references(texts, target),
            before=f"Translate from {named[0]} to {named[1]}.\n\n",
            after="\n\nTranslation:",
        )

    def languages(self, texts: Mapping[str, Any], paired: bool) -> tuple[str, str]:
        """From which to which; Unusable where that is not said, or one is not there."""
        given = (self.source, self.target)
        for language in filter(None, given):
            if language not in texts:
                raise Unusable(f"no '{language}' (it has {', '.join(map(str, texts))})")
        others = [str(language) for language in texts if language not in given]
        open_ends = given.count("")
        if open_ends and not (paired and len(others) == open_ends):
            raise Unusable(
                f"no pair of languages (it has {', '.join(map(str, texts))}); say which to read, "
                f"as in --task '{self.id}(source=en,target=de)'"
            )
        return self.source or others.pop(0), self.target or others.pop(0)


TRANSLATION = Translation(
    id="translation",
    summary="sentences to another language: translation(source=en,target=de)",
    template="Translate from {source} to {target}.",
    train_file=DATA / "translation-train.jsonl",
    eval_file=DATA / "translation-eval.jsonl",
    metrics=("chrf", "bleu"),
    defaults={"max_new_tokens": 48},
)
