"""Whether the files are there that a plugin has promised."""

from __future__ import annotations

from llmbench.errors import PluginError
from llmbench.model import Model
from llmbench.plugin.blame import who


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
