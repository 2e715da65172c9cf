"""A tokenizer as its files have it, without torch or transformers: for a look at data beforehand.

It answers as one of transformers does to what templates and encoders ask of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from llmbench.source.model import Source


class Tokenizer:
    """What `tokenizer.json` and the files beside it say."""

    is_fast = True

    def __init__(self, folder: Path) -> None:
        """FileNotFoundError where there is no `tokenizer.json`."""
        import tokenizers

        file = folder / "tokenizer.json"
        if not file.is_file():
            raise FileNotFoundError(file)
        self._backend = tokenizers.Tokenizer.from_file(str(file))
        self._backend.no_truncation()
        self._backend.no_padding()
        self._config = _content(folder / "special_tokens_map.json") | _content(
            folder / "tokenizer_config.json"
        )
        own = folder / "chat_template.jinja"
        self.chat_template = own.read_text("utf-8") if own.is_file() else self._template()
        self.added_tokens_decoder = self._backend.get_added_tokens_decoder()
        self.paired = bool(_content(folder / "config.json").get("is_encoder_decoder"))
        self.bos_token, self.eos_token = self._named("bos_token"), self._named("eos_token")
        self.bos_token_id, self.eos_token_id = map(self._number, (self.bos_token, self.eos_token))
        self.unk_token_id = self._number(self._named("unk_token"))

    def __call__(
        self,
        text: str = "",
        add_special_tokens: bool = True,
        split_special_tokens: bool = False,
        return_offsets_mapping: bool = False,
        text_target: str | None = None,
    ) -> dict[str, Any]:
        """Token ids, and where in the text each is from; a target is written as any text."""
        text = text if text_target is None else text_target
        self._backend.encode_special_tokens = split_special_tokens
        encoding = self._backend.encode(text, add_special_tokens=add_special_tokens)
        return {"input_ids": encoding.ids, "offset_mapping": encoding.offsets}

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, special tokens included."""
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    def apply_chat_template(
        self, conversation: Sequence[dict[str, str]], tokenize: bool = False, **options: Any
    ) -> str:
        """The conversation in the chat template."""
        names = {"bos_token": self.bos_token or "", "eos_token": self.eos_token or ""}
        return str(self._compiled.render(messages=conversation, **names, **options))

    @cached_property
    def _compiled(self) -> Any:
        """The template in Jinja's sandbox, with what transformers gives to one."""
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        template = self.chat_template
        return environment.from_string(
            (template["default"] if isinstance(template, dict) else template) or ""
        )

    def _template(self) -> str | dict[str, str] | None:
        template = self._config.get("chat_template")
        if isinstance(template, list):
            return {str(one["name"]): str(one["template"]) for one in template}
        return template if isinstance(template, str) else None

    def _named(self, name: str) -> str | None:
        token = self._config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        return token if isinstance(token, str) else None

    def _number(self, token: str | None) -> int | None:
        number = None if token is None else self._backend.token_to_id(token)
        return None if number is None else int(number)


def of(source: Source) -> Tokenizer | None:
    """The tokenizer of a model, if its files are on this machine. Touches no network."""
    folder = source.folder
    if folder is None and source.hub_id:
        import huggingface_hub

        file = huggingface_hub.try_to_load_from_cache(
            source.hub_id, "tokenizer.json", revision=source.revision
        )
        folder = Path(file).parent if isinstance(file, str) else None
    try:
        return Tokenizer(folder) if folder else None
    except Exception:  # the library raises a plain Exception for a file that it cannot use
        return None


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)


def _refuse(said: str) -> None:
    raise ValueError(said)


def _now(form: str) -> str:
    """The day as a template is told it that asks for the date: today's."""
    from datetime import datetime

    return datetime.now().strftime(form)
