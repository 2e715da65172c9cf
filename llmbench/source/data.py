"""Data from files, folders and hub datasets, as checked examples."""

from __future__ import annotations

import difflib
import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmbench import redact, text
from llmbench.errors import DataError
from llmbench.plugin.blame import blamed
from llmbench.plugin.row import Unusable
from llmbench.plugin.task import Example, Task, Turn
from llmbench.record.record import DataRef
from llmbench.source import fields, hub, leak, model, reader
from llmbench.source.formats import MEDIA, Format
from llmbench.source.reader import Row, first_line

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(:\w+)?")


@dataclass(frozen=True)
class Data:
    """Examples, what they are called, and which fields they were read from."""

    name: str
    examples: tuple[Example, ...]
    input_field: str
    """The fields that make the prompt, with commas."""
    target_field: str
    format: str = ""
    """What the format is called, where it is one that is known."""
    left_out: tuple[str, ...] = ()
    """Fields that hold something and are not read."""
    notices: tuple[str, ...] = ()
    """What the reader should know of how they were read."""
    total: int = 0
    """Examples that were read; some of them may be left out since."""

    @property
    def fields(self) -> dict[str, str]:
        """Which fields were read as what, and the format that they are of."""
        read = {"input": self.input_field, "target": self.target_field}
        return read | ({"format": self.format} if self.format else {})

    @property
    def ref(self) -> DataRef:
        """Name, number and SHA-256 of the content."""
        digest = hashlib.sha256(lines(self.examples).encode()).hexdigest()
        return DataRef(name=self.name, examples=len(self.examples), sha256=digest)


def read(
    source: str | Path, task: Task, input_field: str | None = None, target_field: str | None = None
) -> Data:
    """Read every example of a file, a folder or a hub dataset; DataError where one is not right."""
    name, every = _rows(str(source), plain=task.running_text)
    with blamed("task", task.id, "takes"):
        rows = {i: row for i, row in enumerate(every) if task.takes(row)}
    if not rows:
        raise DataError(f"'{name}' holds no examples: give a file with at least one.")
    columns = list(dict.fromkeys(str(column) for row in rows.values() for column in row))
    taken = tuple(rows.values())
    form = fields.choose(name, columns, taken, task, (input_field, target_field))
    _refuse_marked(name, form, taken)
    _refuse_media(name, form, taken)
    ids = _ids(every)
    examples = tuple(_example(name, i, ids[i], row, form) for i, row in rows.items())
    used = form.used(columns)
    known = {field.partition(".")[0] for field in (*used, form.target, "id")}
    left = tuple(c for c in columns if c not in known and any(row.get(c) for row in taken))
    both = input_field is not None and target_field is not None
    notices = [*_left_out(name, form, used, left), *leak.given_away(name, examples, form, both)]
    if len(taken) < len(every):
        notices.append(f"{len(every) - len(taken)} of {len(every)} rows of '{name}' are empty.")
    told = tuple(dict.fromkeys(notices))
    return Data(name, examples, ", ".join(used), form.target, form.name, left, told, len(examples))


def _left_out(name: str, form: Format, used: Sequence[str], left: Sequence[str]) -> Iterator[str]:
    """A notice of the fields that are not read."""
    if left:
        known = f" as {form.name}," if form.name else ""
        what = f"from {text.listed(used)} to {form.target}"
        yield f"'{name}' is read{known} {what}; left out: {', '.join(left)}."


def drawn(examples: Sequence[Example], count: int, seed: int) -> Sequence[Example]:
    """At most `count` of the examples, chosen by the seed, in their original order."""
    if len(examples) <= count:
        return examples
    chosen = random.Random(seed).sample(range(len(examples)), count)
    return [examples[i] for i in sorted(chosen)]


def sample(data: Data, count: int, seed: int = 0) -> Data:
    """At most `count` examples, chosen by the seed, in their original order."""
    if len(data.examples) <= count:
        return data
    return replace(data, examples=tuple(drawn(data.examples, count, seed)))


def hold_out(data: Data, evaluated: Data, most: int) -> tuple[Data, Data | None]:
    """The data without the examples to validate on, and those: a tenth, and `most` at most.

    They are chosen by their content, so that neither the order of a file nor what is added to it
    moves them. None is evaluated, and none is trained on, whatever the spaces in it.
    """
    taken = {key(e) for e in evaluated.examples}
    able = sorted({key(e) for e in data.examples} - taken)
    chosen = frozenset(able[: min(most, len(able) // 10)])
    if not chosen:
        return data, None
    kept = tuple(e for e in data.examples if key(e) not in chosen)
    first = {key(e): e for e in reversed(data.examples) if key(e) in chosen}
    held = tuple(first[k] for k in sorted(chosen))
    name = f"{data.name}, held out"
    return replace(data, examples=kept), replace(data, name=name, examples=held)


def without(data: Data, others: Sequence[Data]) -> Data:
    """The data without the examples whose input is in the others."""
    taken = {key(e) for other in others for e in other.examples}
    return replace(data, examples=tuple(e for e in data.examples if key(e) not in taken))


def key(example: Example) -> str:
    """A digest of what the example asks, whatever its white space."""
    return hashlib.sha256(" ".join(example.content.split()).encode()).hexdigest()


def lines(examples: Sequence[Example]) -> str:
    """The examples as JSON lines, which is how the worker gets them."""
    return "".join(json.dumps(_written(e), ensure_ascii=False) + "\n" for e in examples)


def _written(example: Example) -> Row:
    """What is not there is not written, so that the digests of plain pairs stay what they are."""
    names = ("before", "after", "turns", "rejected")
    optional = {name: getattr(example, name) for name in names}
    said = {name: value for name, value in optional.items() if value not in (None, "", ())}
    own = {"before": ""} if example.before == "" else {}
    always = {"id": example.id, "input": example.input, "references": example.references}
    return always | own | said


def load_lines(path: Path) -> list[Example]:
    """Read back what `lines` wrote."""
    rows = (json.loads(line) for line in path.read_text("utf-8").split("\n") if line)
    return [
        Example(
            r["id"],
            r["input"],
            tuple(r["references"]),
            r.get("before"),
            r.get("after", ""),
            tuple(Turn(*turn) for turn in r.get("turns", ())),
            tuple(r.get("rejected", ())),
        )
        for r in rows
    ]


def _rows(source: str, plain: bool) -> tuple[str, list[Row]]:
    path, split = model.path_of(source), None
    if path is None and ":" in source and not HUB_ID.fullmatch(source):
        before, _, split = source.rpartition(":")
        path = model.path_of(before)
    if path:
        name = redact.text(path.name)
        return (f"{name}:{split}" if split else name), reader.read(path, split, plain)
    if HUB_ID.fullmatch(source) and not Path(source.partition(":")[0]).suffix:
        return source, _hub_rows(source)
    close = difflib.get_close_matches(Path(source).name, _beside(source))
    hint = f"did you mean '{close[0]}'?" if close else "check the path."
    raise DataError(f"There is no data file '{source}': {hint}")


def _beside(source: str) -> list[str]:
    """Names of the data files in the folder that a path leads to."""
    folder = model.path_of(str(Path(source).parent))
    if not folder or not folder.is_dir():
        return []
    return [p.name for p in folder.iterdir() if reader.kind(p) in reader.READERS]


def _hub_rows(source: str) -> list[dict[str, Any]]:
    import datasets

    name, _, split = source.partition(":")
    datasets.disable_progress_bars()
    hub.begin()
    try:
        return list(datasets.load_dataset(name, split=split or "train").to_list())
    except Exception as error:  # the hub's client raises a dozen unrelated types
        raise DataError(
            f"The dataset '{name}' cannot be loaded ({first_line(error)}): "
            "give a file, or check the name and the connection."
        ) from None


def _refuse_marked(name: str, form: Format, rows: Sequence[Row]) -> None:
    """DataError where answers are marked as bad, as KTO has them: they are not to be learnt."""
    marks = [row.get("label") for row in rows]
    if form.name and form.target != "label" and all(isinstance(m, bool) for m in marks):
        bad = marks.count(False)
        if bad:
            raise DataError(
                f"'{name}' marks {bad} of {len(rows)} answers as bad (label false, as for KTO), "
                "and all would be learnt: leave those rows out."
            )


def _refuse_media(name: str, form: Format, rows: Sequence[Row]) -> None:
    """DataError where pictures or sounds belong to the texts: answers to them cannot be known."""
    for field in MEDIA.difference((*form.inputs, form.target)):
        count = sum(
            isinstance(row.get(field), list | dict | bytes) and bool(row[field]) for row in rows
        )
        if count:
            raise DataError(
                f"'{name}' has {field} beside the texts of {count} of {len(rows)} rows, and a "
                "language model sees texts alone: leave those rows out, or the field where the "
                "texts mean the same without."
            )


def _ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows' own ids where each has one that no other has, else their numbers."""
    own = [str(row["id"]) for row in rows if row.get("id") not in (None, "")]
    return own if len(set(own)) == len(rows) else [str(i) for i in range(len(rows))]


def _example(name: str, index: int, row_id: str, row: Row, form: Format) -> Example:
    try:
        made = form.read(row)
    except Unusable as error:
        raise DataError(f"'{name}' row {index + 1} has {error}: mend or remove it.") from None
    if not all(map(_is_unicode, (row_id, made.content, *made.references, *made.rejected))):
        raise DataError(f"'{name}' row {index + 1} holds half a character: mend it.")
    return replace(made, id=row_id)


def _is_unicode(text: str) -> bool:
    """Whether the text can be written: JSON can escape one half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
