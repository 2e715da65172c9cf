"""Which fields of the rows make prompts and targets: as the task, the user or a format has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmbench import text
from llmbench.errors import DataError, UserError, nearest
from llmbench.plugin.blame import Amiss, blamed
from llmbench.plugin.row import Row, Unusable, references, words
from llmbench.plugin.task import INPUT, INPUT_FIELDS, PLACE, Example, Task
from llmbench.source import formats
from llmbench.source.formats import Format
from llmbench.source.reader import first_line

LONG = 40
"""Characters: a longer one is hardly the name of a field."""
Named = tuple[str | None, str | None]
"""The fields of input and target, as far as the user names them."""


def choose(
    name: str,
    columns: list[str],
    rows: Sequence[Row],
    task: Task,
    given: Named,
) -> Format:
    """How the rows are read: as the task does, from the fields that are named, as a known format,
    or from one field to another, whose names are usual."""
    if type(task).read is not Task.read:
        _refuse_names(task, given)
        return Format("", tuple(columns), "", _by_task(task), extracts=task.extracts)
    if task.formats:
        return _known(name, columns, rows, task, given)
    if any(place in columns for place in task.places if place != INPUT):
        return _filled(name, columns, task, given)
    own = task.input_fields != INPUT_FIELDS and any(f in columns for f in task.input_fields)
    if not own and given == (None, None):
        known = formats.recognised(columns, rows)
        if known:
            return known
    return _pair(name, columns, task, given)


def _refuse_names(task: Task, given: Named) -> None:
    """DataError where fields are named to a task that has its own way of reading them."""
    if given != (None, None):
        raise DataError(
            f"'{task.id}' reads whole rows, whatever --input-field and --target-field name: "
            "leave them out, or see its options ('llmbench list tasks --json')."
        )


def _known(name: str, columns: list[str], rows: Sequence[Row], task: Task, given: Named) -> Format:
    """The format of the rows, if the task reads it."""
    _refuse_names(task, given)
    found = formats.recognised(columns, rows)
    if found is None or found.name not in task.formats:
        raise DataError(
            f"'{name}' (with {', '.join(columns)}) is in none of the formats that '{task.id}' "
            f"reads, {text.listed(task.formats)}: rename its fields, or take another --task."
        )
    return found


def _by_task(task: Task) -> Callable[[Row], Example]:
    def read(row: Row) -> Example:
        try:
            with blamed("task", task.id, "read"):
                return _made(task, row)
        except _Refused as refused:
            raise Unusable(str(refused)) from None

    return read


class _Refused(UserError):
    """A task cannot use a row: the data's fault, and not the task's."""


def _made(task: Task, row: Row) -> Example:
    try:
        made = task.read(row)
    except Unusable as error:
        raise _Refused(str(error)) from None
    except ValueError as error:
        raise _Refused(f"something wrong ({first_line(error)})") from None
    if not isinstance(made, Example) or not made.references:
        raise Amiss("it returned no example with a reference")
    return made


def _filled(name: str, columns: list[str], task: Task, given: Named) -> Format:
    """A template over several fields; what is cut where it is too long is the longest of them."""
    target = _field(name, columns, given[1], task.target_fields, "target")
    named = {place: place for place in task.places}
    if INPUT in named and (given[0] or INPUT not in columns):
        named[INPUT] = _field(name, columns, given[0], task.input_fields, "input")
    lacking = [field for field in named.values() if field not in columns]
    if lacking:
        raise DataError(
            f"'{name}' has no field '{lacking[0]}', which the task '{task.id}' asks for "
            f"(it has {', '.join(columns)}): give other data, or another --task."
        )
    parts = PLACE.split(task.template)  # text and names of places in turn

    def read(row: Row) -> Example:
        said = [words(row, named[p]) if i % 2 else p for i, p in enumerate(parts)]
        longest = max(range(1, len(said), 2), key=lambda i: len(said[i]))
        before, after = "".join(said[:longest]), "".join(said[longest + 1 :])
        return Example("", said[longest], references(row, target), before, after)

    return Format("", tuple(named.values()), target, read)


def _pair(name: str, columns: list[str], task: Task, given: Named) -> Format:
    """One field to another, in the task's template."""
    source = _field(name, columns, given[0], task.input_fields, "input")
    target = _field(name, columns, given[1], task.target_fields, "target")

    def read(row: Row) -> Example:
        return Example("", words(row, source), references(row, target))

    return Format("", (source,), target, read)


def _field(
    name: str, columns: list[str], given: str | None, usual: Sequence[str], role: str
) -> str:
    if given:
        if given.partition(".")[0] not in columns and given not in columns:
            raise DataError(f"'{name}' has no field '{given}': {nearest(given, columns)}")
        return given
    for candidate in usual:
        if candidate in columns:
            return candidate
    long = [column for column in columns if len(column) > LONG]
    if long:
        raise DataError(
            f"'{name}' has no field that is known as the {role}, and one that is called "
            f"'{text.short(long[0], LONG)}': if its first line is a row, put a line with the names "
            "of its fields before it."
        )
    raise DataError(
        f"'{name}' has no field that is known as the {role} (it has {', '.join(columns)}): "
        f"name it with --{role}-field."
    )
