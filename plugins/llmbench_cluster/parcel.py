"""What a machine without the parent's files needs of a job, and the same job unpacked there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llmbench.plugin.launcher import CannotLaunch
from llmbench.units import size
from llmbench.workers.job import Job

MOST_BYTES = 4 * 2**30
"""Up to how much a model's folder is sent: beyond it every cell would wait for the network."""
Content = Mapping[str, bytes]
"""A folder's files, by their paths in it."""


@dataclass(frozen=True)
class Parcel:
    """A job and its small files; of the folders that it names, only what is in them."""

    job: str
    files: Content
    """The data and the plugins, by the path that the job gives them."""
    folders: Mapping[str, Mapping[str, int]]
    """The bytes of each file of a model's folder, by the path that the job gives the folder."""


def pack(job: Job) -> Parcel:
    """The job, with what it names that is a file or a folder here; a hub's id is neither."""
    data = [f for f in (job.train_file, job.eval_file, job.validation_file) if f]
    files = {str(f): f.read_bytes() for f in (*data, *job.plugin_files)}
    sources = {s for s in (job.model_source, job.tokenizer_source) if s and Path(s).is_dir()}
    return Parcel(job.model_dump_json(), files, {s: listing(Path(s)) for s in sorted(sources)})


def unpack(parcel: Parcel, folder: Path, sent: Mapping[str, Content]) -> Job:
    """The job with paths of this machine, its files written into `folder`.

    A model's folder that is here as the job names it is taken where it is; of others, `sent` has
    the content. CannotLaunch where a folder is neither here nor sent.
    """
    job = Job.model_validate_json(parcel.job)
    paths = {path: folder / str(n) / Path(path).name for n, path in enumerate(parcel.files)}
    for path, content in parcel.files.items():
        write(paths[path].parent, {paths[path].name: content})
    for n, path in enumerate(parcel.folders):
        paths[path] = Path(path)
        if listing(Path(path)) != parcel.folders[path]:
            paths[path] = folder / "models" / str(n) / Path(path).name
            write(paths[path], sent.get(path) or _missing(path, parcel.folders[path]))
    work = folder / "work"
    work.mkdir()
    return job.model_copy(
        update={
            "model_source": str(paths.get(job.model_source, job.model_source)),
            "tokenizer_source": job.tokenizer_source
            and str(paths.get(job.tokenizer_source, job.tokenizer_source)),
            "train_file": job.train_file and paths[str(job.train_file)],
            "eval_file": job.eval_file and paths[str(job.eval_file)],
            "validation_file": job.validation_file and paths[str(job.validation_file)],
            "plugin_files": tuple(paths[str(f)] for f in job.plugin_files),
            "record_file": work / "record.json",
            "work_folder": work,
        }
    )


def is_sent(files: Mapping[str, int]) -> bool:
    """Whether a folder with files of so many bytes is sent where it is missing."""
    return sum(files.values()) <= MOST_BYTES


def listing(folder: Path) -> dict[str, int]:
    """The bytes of each file under the folder; nothing where there is none."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.stat().st_size for p in files}


def content(folder: Path) -> Content:
    """All of a folder."""
    return {name: (folder / name).read_bytes() for name in listing(folder)}


def write(folder: Path, files: Content) -> None:
    """Put the files into the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _missing(path: str, files: Mapping[str, int]) -> Content:
    total = size(sum(files.values()))
    why = f"the machine that Ray chose does not have the model's folder '{path}' as it is here"
    raise CannotLaunch(
        f"Nothing was run, as {why}, and {total} are not sent: put it there on every node, or on "
        "a file system that all of them share.",
        why,
    )
