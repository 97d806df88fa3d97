"""Weights: real GPT-2 and BERT checkpoints, loaded into the models of this package.

A checkpoint of the `transformers` library is a folder. Its `config.json` holds the
options, and `model.safetensors` the tensors by name (several files, if it is large, and
an index of them). Our names differ, and three things with them:

- GPT-2 keeps its linear maps transposed, (D_in, D_out), because its first code called
  them convolutions of width 1 (`Conv1D`); torch and we keep (D_out, D_in).
- BERT has three matrices for queries, keys and values; ours are stacked in one.
- The output layer of both is the table of embeddings; a checkpoint may hold it once or
  twice.

`seqcourse.weight_names` spells out which tensor goes where, `seqcourse.weight_configs`
does so for the options.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from seqcourse.bert import Bert, BertPretraining
from seqcourse.gpt import GPT
from seqcourse.weight_configs import (
    Options,
    bert_config,
    bert_options,
    gpt_config,
    gpt_options,
)
from seqcourse.weight_names import Entry, bert_names, bert_pretraining_names, gpt_names

__all__ = ["CheckpointError", "from_pretrained", "read_tensors", "save_pretrained"]

M = TypeVar("M", bound=nn.Module)

WEIGHTS, INDEX, CONFIG = (
    "model.safetensors",
    "model.safetensors.index.json",
    "config.json",
)
BUFFERS = re.compile(r"\.attn\.(bias|masked_bias)$|embeddings\.position_ids$")
"""Constants, such as the causal mask, that older checkpoints hold too."""


class CheckpointError(ValueError):
    """A checkpoint's tensors are not those of the model; the message lists which."""


def from_pretrained(
    kind: type[M], folder: Path | str, *, fresh: Sequence[str] = ()
) -> M:
    """Build a model from a checkpoint's folder, ready to use (`eval()`).

    Args:
        kind: `GPT`, for a checkpoint of GPT-2; `Bert`, for the encoder of any BERT
            (heads are left out); or `BertPretraining`, for the encoder with its heads.
        folder: where the files are.
        fresh: our modules that may be missing from the checkpoint, and then start at
            random, such as "pooler" for a `Bert` from a checkpoint that was made for
            masked tokens only.

    Returns:
        The model, on the CPU, its parameters of the type that the checkpoint has.

    Raises:
        FileNotFoundError: if a file is not there.
        ValueError: if the kind is another, or the model has options that ours has not.
        CheckpointError: if tensors are missing, unexpected or of another shape.
    """
    family = _family(kind)
    folder = Path(folder)
    options = json.loads(_existing(folder / CONFIG).read_text(encoding="utf-8"))
    model = kind(family.config(options))
    tensors = family.canonical(read_tensors(folder))
    parameters = model.state_dict()
    entries = family.names(model.config)
    absent = {e.ours for e in entries if not set(e.theirs) <= tensors.keys()}
    spared = {name for name in absent if name.startswith(tuple(f"{f}." for f in fresh))}
    wanted = [e for e in entries if e.ours not in spared]
    _check(folder, wanted, tensors, parameters)
    state = {entry.ours: entry.read(tensors) for entry in wanted}
    dtype = next(iter(state.values())).dtype
    model.to(dtype).load_state_dict(state, strict=not spared)
    return model.eval()


def save_pretrained(model: GPT | Bert | BertPretraining, folder: Path | str) -> None:
    """Write `config.json` and `model.safetensors`, for `transformers` to load.

    Raises:
        ValueError: if the model is of another kind, or has options that a checkpoint
            has not.
    """
    family = _family(type(model))
    folder = Path(folder)
    config: Any = model.config
    options = family.options(config)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
    state = model.state_dict()
    tensors: dict[str, Tensor] = {}
    for entry in family.names(config):
        tensors |= entry.write(state[entry.ours].cpu())
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def read_tensors(folder: Path | str) -> dict[str, Tensor]:
    """Return a folder's tensors by name, from one file or from those of an index.

    Raises:
        FileNotFoundError: if there is neither, or the index names a file that is not
            there.
    """
    folder = Path(folder)
    index = folder / INDEX
    if not index.exists():
        return load_file(_existing(folder / WEIGHTS))
    places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        tensors |= load_file(_existing(folder / name))
    return tensors


def _existing(path: Path) -> Path:
    if not path.exists():
        there = ", ".join(sorted(p.name for p in path.parent.glob("*"))) or "nothing"
        raise FileNotFoundError(
            f"there is no {path.name} in {path.parent}; there is {there}"
        )
    return path


# --- kinds of checkpoint ---


@dataclass(frozen=True)
class _Family:
    """What the checkpoints of one kind of model have in common."""

    config: Callable[[Options], Any]
    options: Callable[[Any], Options]
    names: Callable[[Any], list[Entry]]
    prefix: str  # of the names; older or partial checkpoints leave it out
    bare: tuple[str, ...]  # how names begin then
    # tied tensors, and what each repeats
    copies: dict[str, str] = field(default_factory=dict)
    # how the names begin that belong to heads which ours has not
    others: tuple[str, ...] = ()

    def canonical(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the parameters under their full names, each once."""
        full = {
            self._full(name): t
            for name, t in tensors.items()
            if not BUFFERS.search(name)
        }
        kept = {name: t for name, t in full.items() if not name.startswith(self.others)}
        return {n: t for n, t in kept.items() if not self._repeats(n, kept)}

    def _full(self, name: str) -> str:
        # the oldest checkpoints speak of a norm's gamma and beta
        name = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
        return self.prefix + name if name.startswith(self.bare) else name

    def _repeats(self, name: str, tensors: dict[str, Tensor]) -> bool:
        original = tensors.get(self.copies.get(name, ""))
        return original is not None and torch.equal(tensors[name], original)


_WORDS = "bert.embeddings.word_embeddings.weight"
_FAMILIES: dict[type, _Family] = {
    GPT: _Family(
        gpt_config,
        gpt_options,
        gpt_names,
        prefix="transformer.",
        bare=("wte.", "wpe.", "h.", "ln_f."),
        copies={"lm_head.weight": "transformer.wte.weight"},
    ),
    Bert: _Family(
        bert_config,
        lambda config: {**bert_options(config), "architectures": ["BertModel"]},
        bert_names,
        prefix="bert.",
        bare=("embeddings.", "encoder.", "pooler."),
        others=("cls.", "classifier.", "qa_outputs."),
    ),
    BertPretraining: _Family(
        bert_config,
        lambda config: {
            **bert_options(config),
            "architectures": ["BertForPreTraining"],
        },
        bert_pretraining_names,
        prefix="bert.",
        bare=("embeddings.", "encoder.", "pooler."),
        copies={
            "cls.predictions.decoder.weight": _WORDS,
            "cls.predictions.decoder.bias": "cls.predictions.bias",
        },
    ),
}


def _family(kind: type) -> _Family:
    if kind not in _FAMILIES:
        known = ", ".join(known.__name__ for known in _FAMILIES)
        raise ValueError(f"checkpoints are of {known}, but not of {kind.__name__}")
    return _FAMILIES[kind]


def _check(
    folder: Path,
    entries: list[Entry],
    tensors: dict[str, Tensor],
    parameters: dict[str, Tensor],
) -> None:
    """Raise CheckpointError unless the tensors are the model's, no more, no fewer."""
    expected = {name for entry in entries for name in entry.theirs}
    problems = [f"missing: {name}" for name in sorted(expected - tensors.keys())]
    problems += [f"unexpected: {name}" for name in sorted(tensors.keys() - expected)]
    for entry in entries:
        if set(entry.theirs) <= tensors.keys():
            problems += _misshapen(entry, tensors, parameters[entry.ours])
    if problems:
        listed = "\n  ".join(problems)
        raise CheckpointError(
            f"the tensors in {folder} are not those of the model:\n  {listed}"
        )


def _misshapen(entry: Entry, tensors: dict[str, Tensor], ours: Tensor) -> list[str]:
    return [
        f"mis-shaped: {name} is {tuple(tensors[name].shape)}, not {tuple(part.shape)}"
        for name, part in entry.write(ours.to("meta")).items()
        if tensors[name].shape != part.shape
    ]
