"""Where a comparison's values come from before the command line: files and the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmbench.config.config import COMMAND_LINE, OPTIONS, SETTINGS, Layer
from llmbench.errors import ConfigError, nearest
from llmbench.plugin.catalogue import CHOICE

FILE = Path("llmbench.toml")
"""Read from the working directory if it is there."""
PREFIX = "LLMBENCH_"
FLAGS = frozenset(n for n, f in {**OPTIONS, **SETTINGS}.items() if f.annotation is bool)
"""Options that are on or off."""
ONLY_TYPED = frozenset({"trust_remote_code", "allow_pickles", "plugin"})
"""Options that let other people's code run must be typed each time: a file may have come with that
code, and a variable is set once and forgotten."""


def layers(chosen: Path | None, options: Mapping[str, Any]) -> list[Layer]:
    """Every layer over the defaults, later ones on top: files, environment, command line."""
    return [*file_layers(chosen), *variables(os.environ), (COMMAND_LINE, options)]


def file_layers(chosen: Path | None) -> list[Layer]:
    """`llmbench.toml` if it is there, and the file of `--config` over it."""
    files = [from_file(FILE)] if FILE.is_file() else []
    if chosen is not None and not (files and chosen.resolve() == FILE.resolve()):
        files.append(from_file(chosen))
    return files


def from_file(path: Path) -> Layer:
    """A TOML file's values by option name; ConfigError for one that cannot be read."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"The configuration '{path}' cannot be read ({error.strerror}): check --config."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"'{path}' is not UTF-8 text: save it as that.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_malformed(path, str(error))) from None
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name in values:
            raise ConfigError(f"'{path}' gives '{key}' twice, with - and with _: give it once.")
        _refuse_untyped(name, f"'{key}' cannot stand in a file ({path})")
        values[name] = _plain(path, key, value)
    return str(path), values


def variables(environment: Mapping[str, str]) -> list[Layer]:
    """A layer for each variable `LLMBENCH_STEPS` and the like; an empty one means not given."""
    known = {f"{PREFIX}{name.upper()}": name for name in [*OPTIONS, *SETTINGS, *ONLY_TYPED]}
    given: list[Layer] = []
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable == CHOICE:
            continue
        if variable not in known:
            raise ConfigError(f"Unknown variable '{variable}': {nearest(variable, known)}")
        if environment[variable].strip():
            _refuse_untyped(known[variable], f"'{variable}' cannot be set as a variable")
            given.append((variable, {known[variable]: environment[variable].strip()}))
    return given


def _refuse_untyped(name: str, problem: str) -> None:
    if name in ONLY_TYPED:
        raise ConfigError(f"{problem}: give --{name.replace('_', '-')} on the command line.")


def _malformed(path: Path, problem: str) -> str:
    # Python says where in words only: "Invalid value (at line 3, column 9)".
    what, line = problem.partition(" (at ")[0], re.search(r"line (\d+)", problem)
    where = f" line {line[1]}" if line else ""
    return (
        f"'{path}'{where} is not TOML ({what[:1].lower()}{what[1:]}): "
        'write lines such as steps = 50 or model = "gpt2".'
    )


def _plain(path: Path, key: str, value: Any) -> Any:
    # A table is a heading that no option has; True would pass for the number 1.
    if isinstance(value, bool) and key.replace("-", "_") in FLAGS:
        return value
    if isinstance(value, bool | dict) or not isinstance(value, str | int | float | list):
        kind = "a table" if isinstance(value, dict) else repr(value)
        raise ConfigError(f"'{key}' cannot be {kind} ({path}): give a number, a text or a list.")
    return value
