"""The output directory: records and the comparison that they belong to. The only writer there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmbench.errors import StoreError
from llmbench.files import TEMPORARY, explained_errors, version, write_bytes, write_text
from llmbench.record import example_ids
from llmbench.record.comparison import Comparison, Header
from llmbench.record.record import Attempt, Record
from llmbench.redact import records as redacted
from llmbench.storage.place import Place, copy_of, is_url
from llmbench.storage.read import read_record, read_text, validated


class Store:
    """A comparison's directory."""

    def __init__(self, root: Path, place: Place | None = None) -> None:
        self.root = root
        self.place = place
        """Where everything goes that is written here, if anywhere."""
        self.records = root / "records"
        self.logs = root / "logs"
        self.data = root / "data"
        self.models = root / "models"
        self.work = root / ".work"
        self._read: dict[Path, tuple[tuple[int, ...], Record]] = {}

    @classmethod
    def at(cls, output: str | Path) -> Store:
        """The store of a folder or of a URL, to run a comparison in."""
        if is_url(str(output)):
            return cls(copy_of(str(output)), Place(str(output), copy_of(str(output))))
        return cls(Path(output))

    @classmethod
    def fetched(cls, output: str | Path) -> Store:
        """The same, to read it or change what is there: a URL's in a temporary folder."""
        if not is_url(str(output)):
            return cls(Path(output))
        place = Place(str(output))
        place.fetch(("records", "data"))
        return cls(place.copy, place)

    @classmethod
    def below(cls, folder: str | Path) -> Store:
        """A folder or a URL below which there are comparisons, to read them."""
        if not is_url(str(folder)):
            return cls(Path(folder))
        place = Place(str(folder))
        place.tree()
        return cls(place.copy, place)

    def send(self, *paths: Path) -> None:
        """Put these files to where the directory belongs, if that is not here."""
        if self.place:
            self.place.put(*paths)

    def keep(self) -> None:
        """Leave what was fetched where it is, for somebody to look at."""
        if self.place:
            self.place.keep()

    @property
    def shown(self) -> str:
        """What the directory is called."""
        return self.place.shown if self.place else str(self.root)

    def called(self, path: Path) -> str:
        """What a file in it is called."""
        return self.place.called(path) if self.place else str(path)

    def create_root(self) -> None:
        """Make the directory itself, which others may be using; StoreError where that cannot be."""
        with self._makes():
            self.root.mkdir(parents=True, exist_ok=True)

    def create(self) -> None:
        """Make all directories; StoreError where that cannot be."""
        with self._makes():
            for folder in (self.records, self.logs, self.data):
                folder.mkdir(parents=True, exist_ok=True)
            self.work.mkdir(exist_ok=True)
            self.work.chmod(0o700)  # a worker is told options as they are
            probe = self.work / "writable"
            probe.write_text("")
            probe.unlink()

    @contextlib.contextmanager
    def _makes(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"Cannot write to '{self.root}' ({error.strerror}): name another with --output."
            ) from None

    def write_header(self, header: Header) -> Header:
        """Write `comparison.json`, and return what it says: nothing that must not be written."""
        header = redacted.header(header)
        self._write(self.root / "comparison.json", header.model_dump_json(indent=1))
        return header

    def write_data(self, name: str, lines: str) -> None:
        """Write examples that the cells are given, a line each."""
        self._write(self.data / f"{name}.jsonl", lines)

    def _write(self, path: Path, text: str) -> None:
        write_text(path, text)
        self.send(path)

    def write_record(self, record: Record) -> Record:
        """Write a record and return it; one that the cell has is kept as an earlier attempt.

        What must not be written down is taken out. The earlier one is copied before it is
        replaced: at every moment the cell has a record.
        """
        name = record.cell.id
        path, number = self.records / f"{name}.json", self.attempts(name)
        record = redacted.record(record).model_copy(
            update={"attempt": number + 1, "earlier": _and_before(self.record(name))}
        )
        earlier = self.records / f"{name}.attempt-{number}.json"
        if number:
            write_bytes(earlier, _content(path))
        write_text(path, record.model_dump_json())
        logs = [self.logs / f"{name}.attempt-{number}.log", self.logs / f"{name}.log"]
        self.send(*logs, earlier, path)
        return record

    def latest(self) -> list[Record]:
        """The latest record of every cell, as it stands there, but for what cannot be read."""
        records = []
        for path in self._latest():
            with contextlib.suppress(StoreError):
                records.append(self._own_record(path))
        return records

    def rewrite(self, record: Record) -> None:
        """Put a record in the place of the cell's latest, of which it is the same attempt."""
        self._write(
            self.records / f"{record.cell.id}.json", redacted.record(record).model_dump_json()
        )

    def attempts(self, cell_id: str) -> int:
        """How often the cell was tried; counted where its record cannot be read."""
        record = self.record(cell_id)
        if record:
            return record.attempt
        earlier = len(list(self.records.glob(f"{cell_id}.attempt-*.json")))
        return earlier + (self.records / f"{cell_id}.json").exists()

    def remove_temporaries(self) -> None:
        """Remove what a process that was killed had begun to write."""
        for folder in (self.root, self.records, self.data):
            for path in folder.glob(f".*{TEMPORARY}"):
                with contextlib.suppress(OSError):
                    path.unlink()

    def log(self, cell_id: str) -> Path:
        """Where the cell's next attempt is to be logged; the log of its latest is kept beside."""
        path, number = self.logs.resolve() / f"{cell_id}.log", self.attempts(cell_id)
        earlier = path.with_name(f"{cell_id}.attempt-{number}.log")
        if number and path.exists() and not earlier.exists():
            with explained_errors(path):
                path.rename(earlier)
        return path

    def work_folder(self, cell_id: str) -> Path:
        """An empty folder for the cell's worker."""
        folder = (self.work / cell_id).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        with explained_errors(folder):
            folder.mkdir()
        return folder

    def record(self, cell_id: str) -> Record | None:
        """The cell's latest record, if it has one that can be read."""
        path = self.records / f"{cell_id}.json"
        try:
            return self._record(path) if path.exists() else None
        except StoreError:
            return None

    def _record(self, path: Path) -> Record:
        """The record in a file, which is read again only where it is another than it was."""
        with contextlib.suppress(OSError):
            current = version(path)
            if path not in self._read or self._read[path][0] != current:
                self._read[path] = current, read_record(path)
            return self._read[path][1]
        return read_record(path)  # which says why it cannot be

    def tried(self) -> dict[str, str]:
        """The composition that each arithmetic's learning rates were tried with, by its id."""
        compositions: dict[str, str] = {}
        with contextlib.suppress(StoreError):
            for path in self._latest():
                record = self.record(path.stem)
                if record and record.cell.tuning:
                    compositions[record.cell.arithmetic] = record.cell.composition
        return compositions

    def read(self) -> Comparison:
        """Everything in the directory. A record that cannot be read is named and left alone."""
        header = self.read_header()
        records: list[Record] = []
        inputs: dict[str, str] = {}
        problems: list[str] = []
        with _noted(problems):
            for path in self._latest():
                with _noted(problems):
                    records.append(self._own_record(path))
        with _noted(problems):
            inputs = self._inputs()
        order = [p.cell.id for p in header.plan.cells]
        home = example_ids.home([p.cell for p in header.plan.cells])
        ranked = [
            example_ids.with_own_ids(r, home)
            for r in sorted(records, key=lambda r: _rank(order, r.cell.id))
        ]
        return Comparison(header, tuple(ranked), inputs, tuple(problems))

    def _own_record(self, path: Path) -> Record:
        record = self._record(path)
        if path.name != f"{record.cell.id}.json":
            raise StoreError(f"{path.name!r} is a record of a cell that has a file of its own.")
        return record

    def _latest(self) -> list[Path]:
        """The files of the cells' latest records; StoreError where there is no place for any."""
        try:
            names = sorted(p.name for p in self.records.iterdir())
        except OSError as error:
            raise StoreError(
                f"'{self.records.name}', which holds the cells' records, cannot be read "
                f"({error.strerror})."
            ) from None
        return [self.records / n for n in names if n.endswith(".json") and ".attempt-" not in n]

    def read_header(self) -> Header:
        """Read `comparison.json`; StoreError where there is none, or a newer one."""
        path = self.root / "comparison.json"
        if not os.path.lexists(path):  # which takes a name that is too long for one as well
            raise StoreError(
                f"'{self.shown}' holds no comparison: "
                "name a directory that 'llmbench compare' wrote."
            )
        return validated(Header, path, "a comparison")

    def _inputs(self) -> dict[str, str]:
        path = self.data / "eval.jsonl"
        if not path.exists():
            return {}
        try:
            rows = [json.loads(line) for line in read_text(path).split("\n") if line]
            return {str(row["id"]): _asked(row) for row in rows}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise StoreError(f"'{path.name}' does not hold the evaluated examples.") from None


def _asked(row: dict[str, Any]) -> str:
    """All that a row asks: its input, with what the row itself has around it and before it."""
    own = f"{row.get('before') or ''}{row['input']}{row.get('after', '')}"
    return "\n\n".join([*(f"{role}: {text}" for role, text in row.get("turns", ())), own])


@contextlib.contextmanager
def _noted(problems: list[str]) -> Iterator[None]:
    """Note what cannot be read, and go on."""
    try:
        yield
    except StoreError as error:
        problems.append(str(error))


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise StoreError(f"'{path.name}' is no ordinary file: move it away.")
        return path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"'{path.name}' is to be kept and cannot be read ({error.strerror}): move it away."
        ) from error


def _and_before(record: Record | None) -> tuple[Attempt, ...]:
    """The attempt that a record tells of, after those before it."""
    if record is None:
        return ()
    last = Attempt(
        attempt=record.attempt, status=record.status, phase=record.phase, reason=record.reason
    )
    return (*record.earlier, last)


def _rank(order: list[str], cell_id: str) -> int:
    return order.index(cell_id) if cell_id in order else len(order)
