"""Where a model comes from: an alias, a hub id or a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from llmbench.errors import ModelError, nearest
from llmbench.plugin import Registry

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt"]
"""Files of a hub model that are fetched: weights as safetensors only, never as pickles."""
TWICE = ["consolidated*", "original/*"]
"""The same weights once more, in their authors' own format."""


@dataclass(frozen=True)
class Source:
    """A model that was asked for, and where its parts are."""

    id: str
    weights: str
    revision: str | None = None
    """Branch, tag or commit as it was asked for; once fetched, the commit."""
    hub_id: str | None = None
    folder: Path | None = None
    config: Path | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)

    @property
    def weights_location(self) -> str:
        """Folder or hub id of the weights, or the folder of the config for random ones."""
        if self.weights == "random":
            return str(self.config or self.folder)
        return str(self.folder or self.hub_id)

    @property
    def tokenizer_location(self) -> str:
        """Folder or hub id of the tokenizer."""
        return str(self.folder or self.hub_id)


def find(name: str, weights: str, revision: str | None, registry: Registry) -> Source:
    """The source that a name means; ModelError for one that means nothing. Touches no network."""
    if name in registry.models.entries or name in registry.models.taken:
        model = registry.models.get(name)
        if weights == "random" and model.config is None and model.folder is None:
            raise ModelError(f"'{name}' ships no architecture: use --weights pretrained.")
        return Source(
            name, weights, revision, model.hub_id, model.folder, model.config, model.defaults
        )
    folder = Path(name).expanduser()
    if folder.is_dir():
        whole = folder.resolve()
        return Source(whole.name, weights, folder=_checked(whole, whole.name, weights))
    if HUB_ID.fullmatch(name):
        return Source(name, weights, revision, hub_id=name)
    raise ModelError(
        f"There is no model '{name}': {nearest(name, registry.models.entries)} "
        "A folder or a hub id (owner/name) will do as well."
    )


def fetch(source: Source, needs_tokenizer: bool) -> Source:
    """The same source with its files on this machine, at a commit that is known.

    Takes the hub's cache first where the hub cannot be reached. Raises ModelError.
    """
    random = source.weights == "random"
    has_config = source.config is not None or source.folder is not None
    if source.folder is not None or (random and has_config and not needs_tokenizer):
        return source
    assert source.hub_id
    patterns = [p for p in WANTED if not (random and p == "*.safetensors")]
    folder = _download(source.hub_id, source.revision, patterns)
    if not random or source.config is None:
        _checked(folder, source.id, source.weights)
    return replace(source, revision=folder.name, folder=folder)


def _checked(folder: Path, name: str, weights: str) -> Path:
    if not (folder / "config.json").is_file():
        raise ModelError(f"'{name}' has no config.json: name a folder that holds a model.")
    if weights == "pretrained" and not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"'{name}' has no .safetensors weights: save it with "
            "save_pretrained(safe_serialization=True), or use --weights random."
        )
    return folder


def _download(hub_id: str, revision: str | None, patterns: list[str]) -> Path:
    import huggingface_hub as hub
    from huggingface_hub import errors

    try:
        return Path(
            hub.snapshot_download(
                hub_id, revision=revision, allow_patterns=patterns, ignore_patterns=TWICE
            )
        )
    except errors.GatedRepoError:
        why = "is gated: ask for access on its hub page, then log in with 'hf auth login'."
    except errors.RevisionNotFoundError:
        why = f"has no revision '{revision}': check --revision."
    except errors.RepositoryNotFoundError:
        why = "is not on the hub, or is private: check the name, or log in with 'hf auth login'."
    except errors.LocalEntryNotFoundError:
        why = (
            "is not in the cache and the hub cannot be reached: connect, name a local folder, "
            "or use --weights random with an alias."
        )
    except Exception as error:  # the hub's client raises what its network library raises
        first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        why = f"cannot be fetched ({first}): try again later."
    raise ModelError(f"The model '{hub_id}' {why}") from None
