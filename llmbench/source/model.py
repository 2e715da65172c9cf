"""Where a model comes from: an alias, a hub id or a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from llmbench import plugin, redact
from llmbench.errors import ModelError, PluginError, nearest
from llmbench.plugin.blame import who
from llmbench.plugin.model import Model
from llmbench.source import hub, kind, safety
from llmbench.source.hub import Repository
from llmbench.source.safety import LOADABLE, NOTHING, Trust, check_code, check_weights


def path_of(name: str) -> Path | None:
    """The file or folder of that name; None where there is none, or can be none.

    A name may be too long for any file, or in the home directory of a user that there is not.
    """
    try:
        path = Path(name).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def is_path(name: str) -> bool:
    """Whether a name that is no hub id can only mean a file or a folder."""
    return name.startswith((".", "~")) or "/" in name or "\\" in name


def check(model: Model) -> None:
    """PluginError where a model's folder holds no model, or its architecture is not there."""
    promised = [model.folder / "config.json"] if model.folder else []
    promised += [model.config] if model.config else []
    for path in promised:
        if not path.exists():
            raise PluginError(
                f"{who('model', model.id)} lacks '{path}': "
                "install that package again, or name another model."
            )


HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
SMALL = ("*.json", "*.jinja", "*.model", "*.txt")
"""Files of a hub model that are fetched first: they say whether to fetch the others."""
CODE = ("*.py",)
WEIGHTS = ("*.safetensors",)


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
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    trust: Trust = NOTHING

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


def find(name: str, weights: str, revision: str | None, trust: Trust = NOTHING) -> Source:
    """The source that a name means; ModelError for one that means nothing. Touches no network."""
    aliases, folder = plugin.registry().models, path_of(name)
    if not (folder and folder.is_dir()):
        name = aliases.spelled(name)
    if name in aliases.entries or name in aliases.taken:
        model = aliases.get(name)
        check(model)
        if weights == "random" and model.config is None and model.folder is None:
            raise ModelError(f"'{name}' ships no architecture: use --weights pretrained.")
        source = Source(
            name,
            weights,
            revision,
            model.hub_id,
            model.folder,
            model.config,
            {**model.defaults, **({"seeds": model.seeds} if model.seeds else {})},
            model.learning_rates,
            trust,
        )
        check_shipped(source)
        return source
    if folder and folder.is_dir():
        path = folder.resolve()
        source = Source(redact.text(path.name), weights, folder=path, trust=trust)
        check_config(source, path)
        if weights == "pretrained":
            check_folder(source, path)
        return source
    if HUB_ID.fullmatch(name):
        return Source(name, weights, revision, hub_id=name, trust=trust)
    if is_path(name):
        raise ModelError(f"There is no folder '{name}': check the path.")
    raise ModelError(
        f"There is no model '{name}': {nearest(name, aliases.entries)} "
        "A folder or a hub id (owner/name) will do as well."
    )


def fetch(source: Source, needs_tokenizer: bool) -> Source:
    """The same source with its files on this machine, at a commit that is known.

    Takes the hub's cache first where the hub cannot be reached. Raises ModelError.
    """
    random = source.weights == "random"
    has_config = source.config is not None or source.folder is not None
    if source.folder is not None and needs_tokenizer and not source.trust.remote_code:
        kind.check_tokenizer(source.folder, source.id)
    if source.folder is not None or (random and has_config and not needs_tokenizer):
        return source
    assert source.hub_id
    repository = hub.find(source.hub_id, source.revision)
    folder = repository.fetch((*SMALL, *CODE) if source.trust.remote_code else SMALL)
    if random and source.config is not None:
        check_code(folder, source.id, source.trust)
    else:
        check_config(source, folder)
    if not random:
        fetch_weights(source, replace(repository, revision=folder.name))
    if needs_tokenizer and not safety.has_tokenizer(folder):
        raise ModelError(
            f"'{source.id}' has no tokenizer in the cache: connect to the hub, "
            "or choose a model that has one."
        )
    return replace(source, revision=folder.name, folder=folder)


def fetch_weights(source: Source, repository: Repository) -> None:
    """Fetch the weights, those that are damaged in the cache once more; ModelError otherwise."""
    folder = repository.fetch(WEIGHTS)
    if source.trust.pickles and not list(folder.glob(WEIGHTS[0])):
        repository.fetch((LOADABLE,))
    check_weights(folder, source.id, source.trust)
    damaged = damaged_weights(source, folder)
    if damaged:
        repository.fetch(damaged, again=True)
    if damaged_weights(source, folder):
        raise ModelError(
            f"The model '{source.id}' is not whole in the cache ({damaged[0]}): connect to the "
            f"hub and run it again, or delete {folder.parents[1]}."
        )


def check_shipped(source: Source) -> None:
    """ModelError where what a plugin ships for a model would run code, or load what it must not."""
    for folder in filter(None, (source.config, source.folder)):
        check_config(source, folder)
    if source.folder and source.weights == "pretrained":
        check_folder(source, source.folder)


def check_folder(source: Source, folder: Path) -> None:
    """ModelError where a folder's weights must not, or cannot, be loaded."""
    check_weights(folder, source.id, source.trust)
    damaged = damaged_weights(source, folder)
    if damaged:
        raise ModelError(
            f"'{source.id}' is not whole: {damaged[0]} is missing or cut short; copy it again."
        )


def damaged_weights(source: Source, folder: Path) -> list[str]:
    """Names of damaged files; pickles, which cannot be looked into, are taken for whole."""
    pickles = source.trust.pickles and not list(folder.glob(WEIGHTS[0]))
    return [] if pickles else safety.damaged_weights(folder)


def check_config(source: Source, folder: Path) -> None:
    """ModelError where a folder is no language model's, or would run code that may not run."""
    kind.check_whole(folder, source.id)
    if not (folder / "config.json").is_file():
        raise ModelError(f"'{source.id}' has no config.json: name a folder that holds a model.")
    check_code(folder, source.id, source.trust)
    kind.check(folder, source.id)
