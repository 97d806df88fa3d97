"""Names: which tensor of a GPT-2 or BERT checkpoint is which parameter of ours."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from seqcourse.bert import BertConfig
from seqcourse.gpt import GPTConfig

__all__ = ["Entry", "bert_names", "bert_pretraining_names", "gpt_names"]


@dataclass(frozen=True)
class Entry:
    """One parameter of ours, and where a checkpoint keeps it.

    Attributes:
        ours: our name.
        theirs: theirs; several, if ours is made of theirs stacked along the first axis.
        transposed: whether theirs is (D_in, D_out).
    """

    ours: str
    theirs: tuple[str, ...]
    transposed: bool = False

    def read(self, tensors: dict[str, Tensor]) -> Tensor:
        """Make our tensor of theirs."""
        parts = [tensors[name] for name in self.theirs]
        whole = parts[0] if len(parts) == 1 else torch.cat(parts)
        return whole.T.contiguous() if self.transposed else whole

    def write(self, tensor: Tensor) -> dict[str, Tensor]:
        """Make their tensors of ours: `read` undone."""
        whole = tensor.T if self.transposed else tensor
        parts = whole.chunk(len(self.theirs))
        return {n: p.contiguous() for n, p in zip(self.theirs, parts, strict=True)}


def gpt_names(config: GPTConfig) -> list[Entry]:
    """Return where GPT-2's checkpoints keep each parameter of `seqcourse.gpt.GPT`."""
    entries = [
        Entry("tokens.weight", ("transformer.wte.weight",)),
        Entry("positions.table", ("transformer.wpe.weight",)),
    ]
    for layer in range(config.layers):
        ours, theirs = f"stack.blocks.{layer}", f"transformer.h.{layer}"
        entries += [
            *_both(f"{ours}.attention_norm", f"{theirs}.ln_1"),
            *_conv1d(f"{ours}.attention.query_key_value", f"{theirs}.attn.c_attn"),
            *_conv1d(f"{ours}.attention.output", f"{theirs}.attn.c_proj"),
            *_both(f"{ours}.feed_forward_norm", f"{theirs}.ln_2"),
            *_conv1d(f"{ours}.feed_forward.expand", f"{theirs}.mlp.c_fc"),
            *_conv1d(f"{ours}.feed_forward.contract", f"{theirs}.mlp.c_proj"),
        ]
    entries += _both("stack.norm", "transformer.ln_f")
    if not config.tied:
        entries.append(Entry("output.weight", ("lm_head.weight",)))
    return entries


def bert_names(config: BertConfig) -> list[Entry]:
    """Return where BERT's checkpoints keep each parameter of `seqcourse.bert.Bert`."""
    tables = {"tokens.weight": "word", "positions.table": "position"}
    tables["segments.weight"] = "token_type"
    entries = [
        Entry(ours, (f"bert.embeddings.{theirs}_embeddings.weight",))
        for ours, theirs in tables.items()
    ]
    entries += _both("norm", "bert.embeddings.LayerNorm")
    for layer in range(config.layers):
        ours, theirs = f"stack.blocks.{layer}", f"bert.encoder.layer.{layer}"
        attention = [
            f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")
        ]
        entries += [
            *_both(f"{ours}.attention.query_key_value", *attention),
            *_both(f"{ours}.attention.output", f"{theirs}.attention.output.dense"),
            *_both(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm"),
            *_both(f"{ours}.feed_forward.expand", f"{theirs}.intermediate.dense"),
            *_both(f"{ours}.feed_forward.contract", f"{theirs}.output.dense"),
            *_both(f"{ours}.feed_forward_norm", f"{theirs}.output.LayerNorm"),
        ]
    return [*entries, *_both("pooler", "bert.pooler.dense")]


def bert_pretraining_names(config: BertConfig) -> list[Entry]:
    """Return where checkpoints keep the parameters of `BertPretraining`."""
    encoder = [
        Entry(f"encoder.{e.ours}", e.theirs, e.transposed) for e in bert_names(config)
    ]
    return [
        *encoder,
        *_both("masked_lm.transform", "cls.predictions.transform.dense"),
        *_both("masked_lm.norm", "cls.predictions.transform.LayerNorm"),
        Entry("masked_lm.bias", ("cls.predictions.bias",)),
        *_both("next_sentence", "cls.seq_relationship"),
    ]


def _both(ours: str, *theirs: str) -> Iterable[Entry]:
    """Weight and bias of a layer, or of several that are stacked in ours."""
    for part in ("weight", "bias"):
        yield Entry(f"{ours}.{part}", tuple(f"{name}.{part}" for name in theirs))


def _conv1d(ours: str, theirs: str) -> Iterable[Entry]:
    """Weight and bias of a linear map that is kept transposed."""
    yield Entry(f"{ours}.weight", (f"{theirs}.weight",), transposed=True)
    yield Entry(f"{ours}.bias", (f"{theirs}.bias",))
