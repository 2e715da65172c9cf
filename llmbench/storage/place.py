"""Output directories that are no folder of this machine: whatever fsspec reaches by a URL.

A comparison has a folder as always, the copy; each file is put to the place once it is whole there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from llmbench import redact
from llmbench.errors import StoreError, message
from llmbench.files import version

URL = re.compile(r"(?:[\w+.-]+::)*[A-Za-z][\w+.-]+://")
WAITS = (1.0, 4.0, 15.0)
"""Seconds before what failed is tried again."""
HOPELESS = (FileNotFoundError, PermissionError, NotImplementedError, TypeError, ValueError)
"""What is the same a moment later."""
NOBODY = ("NoCredentialsError", "PartialCredentialsError")
"""The same of botocore, which may not be there."""
FOLDERS = ("records", "logs", "data")
SENT = ".sent"
"""Lies in a copy of which everything is at the place: such a copy is only looked at."""
USERINFO = re.compile(r"(?<=://)[^/@]*@")
T = TypeVar("T")


class PlaceError(StoreError):
    """A place that cannot be reached, read or written; it says where everything is kept."""


def is_url(output: str) -> bool:
    """Whether an output directory is a place, and no folder."""
    return bool(URL.match(output))


def copy_of(url: str) -> Path:
    """The folder that a comparison at a place runs in: one for each place, whoever is let in.

    It is called as the place is, since the report is.
    """
    cache = Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache"))
    bare = USERINFO.sub("", url.rstrip("/"))
    digest = hashlib.sha256(bare.encode()).hexdigest()[:16]
    return cache / "llmbench" / "places" / digest / _name(bare)


def _name(url: str) -> str:
    last = re.split(r"[/\\?#]+", URL.sub("", url))[-1]
    return re.sub(r"[^\w.+-]+", "-", last).strip(".-")[:100] or "comparison"


class Place:
    """A place, and the copy of it that is worked in."""

    def __init__(self, url: str, copy: Path | None = None) -> None:
        """Without a copy, it has a temporary one, which is removed with it."""
        self.shown = redact.secrets(url.rstrip("/"))
        self._let_in = [p for u in USERINFO.findall(url) for p in re.split("[:@]", u) if p]
        self._system, self._path = self._reached(url)
        self._sent: dict[Path, tuple[int, ...]] = {}
        self._kept = copy is not None
        if copy is None:
            folder = tempfile.mkdtemp(prefix="llmbench-")
            self._removal = weakref.finalize(self, shutil.rmtree, folder, True)
            copy = Path(folder) / _name(USERINFO.sub("", url.rstrip("/")))
            copy.mkdir()
        self.copy = copy

    @property
    def notice(self) -> str:
        """What is to be known of a comparison there."""
        return (
            f"Every file goes to '{self.shown}' once it is written in '{self.copy}'. Nothing there "
            "keeps an llmbench on another machine from the same place: see that none is started."
        )

    def begin(self) -> None:
        """Make the copy what the place has, with what an earlier run there could not send."""
        if self._is_sent():
            for path in self.copy.iterdir():
                if path.name != ".lock":
                    _remove(path)
        with contextlib.suppress(OSError):
            (self.copy / SENT).unlink()
        self.fetch(FOLDERS)

    def _is_sent(self) -> bool:
        """Whether the copy has nothing but what was sent: nobody went on in it since."""
        mark = self.copy / SENT
        if not mark.exists():
            return False
        files = (p for p in self.copy.rglob("*") if p.is_file() and p.name != ".lock")
        return max(p.lstat().st_mtime_ns for p in files) <= mark.lstat().st_mtime_ns

    def fetch(self, folders: Iterable[str]) -> None:
        """Copy the header and the files of these folders; later attempts in the copy stay."""
        names = self._persisting("read", "", self._names)
        wanted = [n for n in names if _is_wanted(n.split("/"), tuple(folders))]
        with tempfile.TemporaryDirectory(prefix="llmbench-", ignore_cleanup_errors=True) as folder:
            staging = Path(folder)
            self._get(wanted, staging)
            later = {n for n in wanted if _attempt(self.copy / n) > _attempt(staging / n)}
            logs = {f"logs/{Path(n).stem}.log" for n in later}
            for name in sorted(set(wanted) - later - logs):
                self._take(staging / name, self.copy / name)

    def tree(self) -> None:
        """Copy the headers and records of all comparisons at the place and below it."""
        names = self._persisting("read", "", self._names)
        ends = {n: n.split("/") for n in names}
        wanted = [
            n
            for n, parts in ends.items()
            if _is_wanted(parts[-1:], ()) or _is_wanted(parts[-2:], ("records",))
        ]
        self._get(wanted, self.copy)

    def put(self, *paths: Path) -> None:
        """Put these files of the copy, and those of folders, where they are not as they are here.

        What is hidden stays, and so does what a link leads to.
        """
        for path in paths:
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                inner = file.relative_to(self.copy)
                hidden = any(part.startswith(".") for part in inner.parts)
                if file.is_file() and not file.is_symlink() and not hidden:
                    current = version(file)
                    if self._sent.get(file) != current:
                        self._persisting("write", inner.as_posix(), partial(self._put, file))
                        self._sent[file] = current

    def settle(self) -> None:
        """Put whatever is not there yet; from then on the copy is only looked at."""
        self.put(self.copy)
        if self._kept:
            with contextlib.suppress(OSError):
                (self.copy / SENT).touch()

    def keep(self) -> None:
        """Leave a temporary copy where it is: somebody looks at it."""
        if not self._kept:
            self._removal.detach()

    def called(self, path: Path) -> str:
        """The address of a file of the copy, as it is shown."""
        return f"{self.shown}/{path.relative_to(self.copy).as_posix()}"

    def _names(self) -> list[str]:
        """The files at the place, as they are called from there."""
        self._system.invalidate_cache()
        try:
            paths = self._system.find(self._path)
        except FileNotFoundError:
            return []
        prefix = self._path.rstrip("/") + "/"
        names = [f.removeprefix(prefix) for f in paths if f.startswith(prefix)]
        return [n for n in names if _is_safe(n)]

    def _get(self, names: list[str], folder: Path) -> None:
        there = [f"{self._path.rstrip('/')}/{n}" for n in names]
        here = [str(folder / n) for n in names]
        for parent in {(folder / n).parent for n in names}:
            parent.mkdir(parents=True, exist_ok=True)
        if names:
            self._persisting("read", "", lambda: self._system.get(there, here))

    def _take(self, fetched: Path, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fetched, path)
        except OSError as error:
            raise StoreError(f"Cannot write '{path}' ({error.strerror}): see why.") from error
        self._sent[path] = version(path)

    def _put(self, file: Path) -> None:
        there = f"{self._path.rstrip('/')}/{file.relative_to(self.copy).as_posix()}"
        if not self._system.async_impl:  # object stores know no folders, and would make buckets
            self._system.makedirs(there.rpartition("/")[0], exist_ok=True)
        self._system.put_file(str(file), there)

    def _persisting(self, what: str, name: str, do: Callable[[], T]) -> T:
        """Do it, several times if need be; PlaceError if it fails for good."""
        for wait in (*WAITS, None):
            try:
                return do()
            except Exception as error:  # each kind of place has errors of its own
                hopeless = isinstance(error, HOPELESS) or type(error).__name__ in NOBODY
                if wait is None or hopeless:
                    raise PlaceError(self._failure(what, name, error)) from error
                time.sleep(wait)
        raise AssertionError

    def _reached(self, url: str) -> tuple[Any, str]:
        """The file system of the URL, and the path in it."""
        from fsspec.core import url_to_fs

        try:
            system, path = url_to_fs(url)
        except Exception as error:
            way_out = "name a directory, or a URL such as s3://bucket/folder"
            if isinstance(error, ImportError):
                way_out = (
                    "install what is missing (for S3: pip install 'llmbench[s3]'), or name another "
                    "directory"
                )
            raise PlaceError(
                f"'{self.shown}' cannot be reached ({self._said(error)}): {way_out}."
            ) from error
        return system, str(path)

    def _said(self, error: Exception) -> str:
        """What an error says, without what lets in here."""
        said = " ".join(message(error).split()).rstrip(".")
        for part in self._let_in:
            said = said.replace(part, redact.SECRET)
        return redact.text(said)[:300] or type(error).__name__

    def _failure(self, what: str, name: str, error: Exception) -> str:
        where = f"'{name}' in '{self.shown}'" if name else f"'{self.shown}'"
        said = f"Cannot {what} {where} ({self._said(error)})"
        if what == "read" or not self._kept:
            return f"{said}: see why, and give the same command again."
        return (
            f"{said}; everything until now is kept in '{self.copy}'. The same command with the "
            f"same --output sends it and goes on, and --output "
            f"{shlex.quote(str(self.copy))} goes on without the place."
        )


def _is_wanted(parts: list[str], folders: tuple[str, ...]) -> bool:
    """Whether a file is one that a comparison is read or goes on from."""
    return parts == ["comparison.json"] or (len(parts) == 2 and parts[0] in folders)


def _is_safe(name: str) -> bool:
    """Whether a file of that name cannot leave the folder that it is copied to."""
    hidden = any(part.startswith(".") or not part for part in name.split("/"))
    return not hidden and "\\" not in name and "\0" not in name


def _attempt(path: Path) -> int:
    """Which attempt a record is; 0 for another file, and -1 for one that cannot be read."""
    if path.parent.name != "records":
        return 0
    try:
        return int(json.loads(path.read_text("utf-8"))["attempt"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return -1


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
