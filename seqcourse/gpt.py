"""GPT: the causal transformer with the choices of GPT-2.

Radford et al. (2019), section 2.3: learned positions, norms before each step and one
behind the last block, GELU in its tanh approximation, and an output layer that is the
table of embeddings. There is one causal transformer in this package,
`seqcourse.transformer.TransformerLM`; a GPT is that model with those options, and loads
the weights of GPT-2 (`seqcourse.weights`).
"""

from dataclasses import dataclass
from typing import Literal

from seqcourse._checks import check_choice
from seqcourse.transformer import Activation, TransformerConfig, TransformerLM

__all__ = ["GPT", "PRESETS", "GPTConfig"]

PRESETS = {
    "gpt2": (12, 768, 12),
    "gpt2-medium": (24, 1024, 16),
    "gpt2-large": (36, 1280, 20),
    "gpt2-xl": (48, 1600, 25),
    "mini": (6, 384, 6),
    "micro": (4, 128, 4),
    "nano": (2, 64, 2),
}
"""Layers, width and heads. The first four are GPT-2's, the others fit a lab."""


@dataclass(frozen=True)
class GPTConfig(TransformerConfig):
    """The options of `TransformerConfig`, with GPT-2's choices as defaults.

    >>> GPTConfig.preset("gpt2-xl").width
    1600

    The attributes are those of `TransformerConfig`.
    """

    width: int = 768
    heads: int = 12
    layers: int = 12
    context_length: int | None = 1024
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "learned"
    activation: Activation = "gelu_tanh"
    dropout: float = 0.1

    @classmethod
    def preset(
        cls,
        name: str,
        *,
        vocab_size: int = 50257,
        context_length: int = 1024,
        dropout: float = 0.1,
    ) -> "GPTConfig":
        """Return the options of a size that has a name; see `PRESETS`.

        Every text starts with the last id of the vocabulary, which is GPT-2's
        end-of-text token.

        Args:
            name: "gpt2" (124 million parameters), "gpt2-medium" (355), "gpt2-large"
                (774), "gpt2-xl" (1558); or, for labs, "mini", "micro" or "nano".
            vocab_size: V; of GPT-2 by default.
            context_length: the most tokens read at once.
            dropout: see `TransformerConfig`.

        Raises:
            ValueError: for another name.
        """
        check_choice("name", name, PRESETS)
        layers, width, heads = PRESETS[name]
        return cls(
            vocab_size=vocab_size,
            width=width,
            heads=heads,
            layers=layers,
            context_length=context_length,
            dropout=dropout,
            start_id=vocab_size - 1,
        )


class GPT(TransformerLM):
    """A causal transformer language model with GPT-2's choices.

    >>> import torch
    >>> model = GPT(GPTConfig.preset("nano", vocab_size=11, context_length=16))
    >>> model(torch.tensor([[3, 1, 4, 1, 5]])).shape  # (B, T, V)
    torch.Size([1, 5, 11])

    Train it with `seqcourse.training.fit` and `next_token_loss`, write with
    `seqcourse.generation.generate`, look inside with
    `seqcourse.attention.record_attention`.

    Args:
        config: the options.
    """

    config: GPTConfig

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
