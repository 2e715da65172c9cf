"""What cells differ in beyond what their strategies declare: it would pass for their doing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmbench import text
from llmbench.analysis import facts
from llmbench.analysis.facts import Difference, group
from llmbench.analysis.names import named
from llmbench.record.record import Record


@dataclass(frozen=True)
class Trait:
    """Something in force in a cell, and what a strategy declares that may change it."""

    label: str
    declared_by: frozenset[str] = frozenset()
    """Groups of strategies, and settings."""


def _trait(label: str, *declared_by: str) -> Trait:
    return Trait(label, frozenset(declared_by))


TRAITS = {
    "template": _trait("how prompts are written"),
    "base_weights": _trait("the type of the base weights", "quantization", "precision"),
    "trained_weights": _trait("the type of the trained weights", "precision"),
    "gradients": _trait("the type of gradients", "optimizer", "precision"),
    "master_weights": _trait("the type of the copies that are updated", "optimizer", "precision"),
    "optimizer": _trait("the optimiser that ran", "optimizer", "precision"),
    "optimizer_states": _trait("the type of the optimiser's states", "optimizer", "precision"),
    "attention": _trait("the attention implementation", "attention"),
    "attention_kernels": _trait("the attention kernels that ran", "attention", "precision"),
    "gradient_checkpointing": _trait("gradient checkpointing", "memory"),
    "autocast": _trait("automatic casts of types", "precision"),
    "micro_batch": _trait("the sequences of a micro-batch", "batches"),
    "accumulation": _trait("the micro-batches of a step"),
    "longest_sequence": _trait("the longest sequence, in tokens", "batches"),
    "padding": _trait("the share of padding", "batches"),
    "matmul_precision": _trait("the precision of matrix products", "precision"),
    "cudnn_tf32": _trait("the use of TF32 by cuDNN"),
    "deterministic": _trait("deterministic kernels"),
    "threads": _trait("the threads that compute"),
    "decoding": _trait("how predictions are decoded"),
}
"""What workers note of a cell (`llmbench.worker.effective`), as it is compared."""


def unfair(records: Sequence[Record]) -> list[Difference]:
    """What differs between cells that no strategy of theirs declares, and which cells hold what.

    Only cells that share model, data, settings, device and seed are held against each other: with
    the seed, the order of the data changes, and with it the padding.
    """
    differences = dict[str, Difference]()
    for alike in _comparable(records):
        names = named([r.cell for r in alike])
        facts_of = {text.code(names[r.cell.id]): [undeclared(r)] for r in alike}
        for difference in facts.differing(facts_of, of_machine=False):
            differences.setdefault(difference.name, difference)
    return list(differences.values())


def undeclared(record: Record) -> dict[str, str]:
    """What was in force and is not the declared doing of the cell's strategies, by its label."""
    return {
        trait(name).label: value for name, value in traits(record).items() if not ours(record, name)
    }


def traits(record: Record) -> Mapping[str, str]:
    """What was in force as the worker saw it, whatever was asked for; by name."""
    seen = {
        "optimizer": record.optimizer or "",
        "attention_kernels": ", ".join(record.attention_kernels),
        **record.effective,
    }
    return {name: value for name, value in seen.items() if value}


def ours(record: Record, name: str) -> bool:
    """Whether a strategy of the cell declares that it may change the trait of that name."""
    return bool(trait(name).declared_by & set(_declared(record)))


def trait(name: str) -> Trait:
    """The trait of that name; one that only another version knows is nobody's doing."""
    return TRAITS.get(name, Trait(name.replace("_", " ")))


def sentence(difference: Difference) -> str:
    """The difference as a warning."""
    return text.clean(
        f"The methods also differ in {difference.name}, which none of them declares to change: "
        f"{difference.listed}. What sets them apart is more than the methods."
    )


def _declared(record: Record) -> Iterator[str]:
    """Settings that the cell's strategies changed, and the groups that they decide.

    Who decides the quantisation may also decide that there is none, as full fine-tuning does: the
    type of weights that are not quantised is no strategy's doing.
    """
    yield from record.cell.declared
    for member in record.cell.members:
        for claim in (member.group, *member.also_claims, *member.brings):
            if claim != "quantization" or record.quantized:
                yield claim


def _comparable(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Cells that are to differ in their strategies alone.

    One of the frontier has sizes of its own, one that tries a learning rate is no result, and a
    record from before groups were kept does not say what its strategies declare.
    """
    groups = defaultdict(list)
    for record in records:
        cell = record.cell
        alone = cell.fit is not None or cell.tuning or cell.repeat
        if cell.trains and not alone and all(m.group for m in cell.members):
            groups[group(record), cell.seed].append(record)
    yield from groups.values()
