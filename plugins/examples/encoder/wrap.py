"""`python wrap.py ENCODER OUT LABEL LABEL ...`: a folder that llmbench can compare methods on.

ENCODER is a folder of BERT, RoBERTa, ModernBERT or any other that transformers has a head for
labels of. OUT gets its weights, its tokenizer, and the code of `classifier.py`, which is saved
beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def wrap(encoder: Path, out: Path, labels: Sequence[str]) -> None:
    """Write OUT; an encoder that has no head for these labels gets a fresh one, seed 0."""
    import torch
    from classifier import ClassifierConfig, EncoderClassifier
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(0)
    read = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(labels))
    words = AutoTokenizer.from_pretrained(encoder)
    words.eos_token = words.eos_token or words.sep_token
    words.pad_token = words.pad_token or words.eos_token
    opening, closing = (
        [token for token in (own,) if token is not None]
        for own in (words.cls_token_id, words.sep_token_id)
    )
    ClassifierConfig.register_for_auto_class()
    EncoderClassifier.register_for_auto_class("AutoModelForCausalLM")
    config = ClassifierConfig(
        encoder=read.config.to_dict(),
        label_ids=words(list(labels), add_special_tokens=False)["input_ids"],
        opening=opening,
        closing=closing,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
    )
    made = EncoderClassifier(config)
    made.classifier.load_state_dict(read.state_dict())
    made.save_pretrained(out)
    words.save_pretrained(out)


if __name__ == "__main__":
    wrap(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
