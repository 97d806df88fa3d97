"""Low-rank adaptation: fine-tune a large model by two thin matrices for each layer.

Notation as in Hu et al. (2022), section 4.1: a pre-trained weight W0 is frozen, and the
layer computes h = W0 x + (alpha / r) B A x, where A (r, D_in) starts random and B
(D_out, r) starts at zero, so that training begins at the pre-trained model.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from seqcourse.finetuning import freeze, unfreeze
from seqcourse.training.files import read_safetensors

__all__ = [
    "LoRAConfig",
    "LoRALinear",
    "add_lora",
    "load_adapters",
    "merge",
    "save_adapters",
    "unmerge",
]


M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class LoRAConfig:
    """Which layers are adapted, and how.

    Attributes:
        targets: names of linear layers. "query" means every layer whose name ends in
            ".query", "blocks.0.attention.query" only that one.
        rank: r, the width of the bottleneck.
        alpha: the update is scaled by alpha / rank, so that the learning rate need not
            be tuned anew for another rank.
        dropout: how probable it is that an input of A is dropped in training.
        trained: names of modules that train in full, such as the new head of a
            classifier.

    Raises:
        ValueError: if there is no target, the rank is below 1, or the dropout outside 0
            … 1.
    """

    targets: tuple[str, ...]
    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    trained: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.targets:
            raise ValueError(
                "targets is empty: name at least one linear layer to adapt"
            )
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, but is {self.rank}")
        if not 0 <= self.dropout < 1:
            raise ValueError(
                f"dropout must be at least 0 and below 1, but is {self.dropout}"
            )


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable update of low rank.

    Hu et al. (2022), eq. 3.

    >>> layer = LoRALinear(nn.Linear(100, 100), rank=2)
    >>> from seqcourse.finetuning import trainable_parameters
    >>> trainable_parameters(layer)  # (2 · 100 + 100 · 2, and 100 · 100 + 100 more)
    (400, 10500)

    A fresh one computes what its base computes. It can stand wherever the base stood:
    it has the base's `weight` and `bias`, the update included.

    Args:
        base: the pre-trained layer; its parameters are frozen.
        rank: r.
        alpha: see `LoRAConfig`.
        dropout: see `LoRAConfig`.
    """

    def __init__(
        self, base: nn.Linear, *, rank: int, alpha: float = 16.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.base = freeze(base)
        self.scale = alpha / rank
        self.dropout = nn.Dropout(dropout)
        self.a = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.b = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        nn.init.normal_(self.a, std=base.in_features**-0.5)  # A x has the variance of x
        self._original: Tensor | None = None

    @property
    def merged(self) -> bool:
        """Whether the update has been added to the base's weight."""
        return self._original is not None

    @property
    def update(self) -> Float[Tensor, "D_out D_in"]:
        """(alpha / r) B A: what the adapter adds to the weight."""
        return self.scale * (self.b @ self.a)

    @property
    def weight(self) -> Float[Tensor, "D_out D_in"]:
        """The weight that is in effect, W0 + (alpha / r) B A."""
        return self.base.weight if self.merged else self.base.weight + self.update

    @property
    def bias(self) -> Float[Tensor, " D_out"] | None:
        """The base's bias."""
        return self.base.bias

    def forward(self, x: Float[Tensor, "*B D_in"]) -> Float[Tensor, "*B D_out"]:
        """Return W0 x + bias + (alpha / r) B A x."""
        if self.merged:
            return self.base(x)
        low = F.linear(self.dropout(x), self.a)  # (*B, r)
        return self.base(x) + self.scale * F.linear(low, self.b)

    @torch.no_grad()
    def merge(self) -> None:
        """Add the update to the base's weight: the layer costs what its base costs.

        A merged layer learns nothing; `unmerge` it before training goes on.
        """
        if not self.merged:
            original = self.base.weight.detach().clone()
            self.base.weight.add_(self.update)
            self._original = original

    @torch.no_grad()
    def unmerge(self) -> None:
        """Restore the base's weight, bit for bit: it was kept, as sums round."""
        if self._original is not None:
            self.base.weight.copy_(self._original)
            self._original = None

    def extra_repr(self) -> str:
        """Show rank and scale when the model is printed."""
        return f"rank={len(self.a)}, scale={self.scale:g}"


def add_lora(model: M, config: LoRAConfig) -> M:
    """Freeze a model, in place, and put an adapter on each target layer.

    Returns:
        The model itself.

    Raises:
        ValueError: if a target names no linear layer, a module to train does not exist,
            or the model has adapters already.
    """
    if _adapters(model):
        raise ValueError(
            "the model has adapters already; build it anew, or train those"
        )
    chosen = {name for target in config.targets for name in _matching(model, target)}
    freeze(model)
    for name in sorted(chosen):
        parent, _, own = name.rpartition(".")
        base = cast(nn.Linear, model.get_submodule(name))
        adapter = LoRALinear(
            base, rank=config.rank, alpha=config.alpha, dropout=config.dropout
        )
        setattr(model.get_submodule(parent), own, adapter.train(base.training))
    for name in config.trained:
        unfreeze(_submodule(model, name))
    return model


def merge(model: nn.Module) -> None:
    """Merge every adapter of a model, which is then as quick as without adapters."""
    for adapter in _adapters(model):
        adapter.merge()


def unmerge(model: nn.Module) -> None:
    """Undo `merge`, bit for bit."""
    for adapter in _adapters(model):
        adapter.unmerge()


def save_adapters(model: nn.Module, config: LoRAConfig, path: Path) -> None:
    """Save the trainable parameters alone, and the configuration, as safetensors.

    Raises:
        ValueError: if the model has no adapters.
    """
    if not _adapters(model):
        raise ValueError(
            "the model has no adapters to save; call add_lora(model, config) first"
        )
    state = {
        name: p.detach().contiguous()
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    save_file(state, path, metadata={"lora": json.dumps(asdict(config))})


def load_adapters(model: nn.Module, path: Path) -> LoRAConfig:
    """Add the adapters of a file to a model that has none; return their configuration.

    Raises:
        ValueError: if the file holds no adapters, or they do not fit the model.
    """
    state, header = read_safetensors(path)
    if "lora" not in header:
        raise ValueError(
            f"{path} holds no adapters: it was not written by save_adapters"
        )
    fields = json.loads(header["lora"])
    targets, trained = tuple(fields.pop("targets")), tuple(fields.pop("trained"))
    config = LoRAConfig(targets, trained=trained, **fields)
    add_lora(model, config)
    wanted = {name: p for name, p in model.named_parameters() if p.requires_grad}
    wrong = sorted(set(wanted) ^ set(state))
    wrong += [n for n in wanted if n in state and wanted[n].shape != state[n].shape]
    if wrong:
        raise ValueError(
            f"the adapters in {path} do not fit this model: {', '.join(wrong)}"
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(state[name])
    return config


def _adapters(model: nn.Module) -> list[LoRALinear]:
    return [module for module in model.modules() if isinstance(module, LoRALinear)]


def _matching(model: nn.Module, target: str) -> Sequence[str]:
    linear = [
        name for name, module in model.named_modules() if isinstance(module, nn.Linear)
    ]
    found = [name for name in linear if name == target or name.endswith(f".{target}")]
    if not found:
        raise ValueError(
            f"target {target!r} names no linear layer; there are {', '.join(linear)}"
        )
    return found


def _submodule(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError:
        parts = ", ".join(child for child, _ in model.named_children())
        raise ValueError(
            f"trained names {name!r}, which is no module of the model; it has {parts}"
        ) from None
