"""Pictures as sequences: the vision transformer, and a small convolutional network.

Dosovitskiy et al. (2021): cut a picture into patches, flatten each to a vector, and you
have a sequence. The convolutional network is the baseline: it knows from the start that
neighbours belong together, and that a shifted picture shows the same thing.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqcourse._checks import check_choice, check_positive, check_probability
from seqcourse.attention import check_heads
from seqcourse.blocks import Activation, Block, Stack
from seqcourse.linear import Linear
from seqcourse.positions import Learned

__all__ = ["CNN", "CNNConfig", "ViT", "ViTConfig", "patches"]

Pooling = Literal["class", "mean"]


def patches(images: Float[Tensor, "B C Y X"], size: int) -> Float[Tensor, "B N P"]:
    """Cut each image into squares, in reading order, and flatten each: (B, N, C size²).

    >>> patches(torch.arange(16.0).view(1, 1, 4, 4), size=2)
    tensor([[[ 0.,  1.,  4.,  5.],
             [ 2.,  3.,  6.,  7.],
             [ 8.,  9., 12., 13.],
             [10., 11., 14., 15.]]])

    Args:
        images: C channels, Y lines, X columns.
        size: the side of a square, in pixels.

    Raises:
        ValueError: if the squares do not fill the image.
    """
    batch, channels, height, width = images.shape
    if height % size or width % size:
        raise ValueError(
            f"patches of {size} × {size} do not fill an image of {height} × {width}"
        )
    rows, columns = height // size, width // size
    squares = images.view(batch, channels, rows, size, columns, size)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, -1)


@dataclass(frozen=True)
class ViTConfig:
    """The options of `ViT`; the defaults suit the 8 × 8 digits of scikit-learn.

    Attributes:
        image_size: lines and columns of the images.
        patch_size: the side of a patch, in pixels; must divide both.
        channels: C: 1 for grey images, 3 for colour.
        classes: how many classes there are.
        width: D.
        heads: H; must divide D.
        layers: L.
        inner: the inner width of the feed-forward networks; None: 4 D.
        activation: see `seqcourse.blocks.FeedForward`.
        dropout: see `seqcourse.blocks.Block`; the patches are dropped too.
        eps: added to the variance in the norms.
        pooling: what stands for the whole image: "class", an extra first place, as in
            BERT; or "mean", the mean of all patches.

    Raises:
        ValueError: if an option is out of its range.
    """

    image_size: tuple[int, int] = (8, 8)
    patch_size: int = 2
    channels: int = 1
    classes: int = 10
    width: int = 64
    heads: int = 4
    layers: int = 4
    inner: int | None = None
    activation: Activation = "gelu"
    dropout: float = 0.0
    eps: float = 1e-5
    pooling: Pooling = "class"

    def __post_init__(self) -> None:
        for name in ("patch_size", "channels", "classes", "width", "heads", "layers"):
            check_positive(name, getattr(self, name))
        check_probability("dropout", self.dropout)
        check_heads(self.width, self.heads)
        check_choice("pooling", self.pooling, get_args(Pooling))
        height, width = self.image_size
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"patch_size must divide the image's sides, but {self.patch_size} does "
                f"not divide {height} and {width}"
            )

    @property
    def n_patches(self) -> int:
        """N, how many patches an image has."""
        height, width = self.image_size
        return height // self.patch_size * (width // self.patch_size)


class ViT(nn.Module):
    """A vision transformer: classifies images as sequences of patches.

    Dosovitskiy et al. (2021), eqs. 1 to 4: patches are projected to D dimensions,
    learned positions added, pre-norm blocks follow, and a linear map of the class
    token's vector (or of the mean) gives the logits. Weights start from N(0, 0.02²).

    >>> ViT(ViTConfig(width=8, heads=2, layers=1))(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 10])

    Args:
        config: the options.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        pixels = config.channels * config.patch_size**2
        self.project = Linear(pixels, config.width)
        self.class_token: nn.Parameter | None = None
        if config.pooling == "class":
            self.class_token = nn.Parameter(torch.empty(config.width).normal_(std=0.02))
        places = config.n_patches + (config.pooling == "class")
        self.positions = Learned(places, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.stack = _stack(config)
        self.head = Linear(config.width, config.classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, images: Float[Tensor, "B C Y X"]) -> Float[Tensor, "B N"]:
        """Return the logits of the classes.

        Raises:
            ValueError: if the images have another size.
        """
        expected = (self.config.channels, *self.config.image_size)
        if images.shape[1:] != expected:
            raise ValueError(
                f"images must have shape (B, C, Y, X) with C, Y, X = {expected}, but "
                f"have {tuple(images.shape)}"
            )
        x = self.project(patches(images, self.config.patch_size))  # (B, N, D)
        if self.class_token is not None:
            first = self.class_token.expand(len(x), 1, -1)
            x = torch.cat((first, x), dim=1)  # (B, 1 + N, D)
        x = self.stack(self.dropout(self.positions(x)))
        return self.head(x.mean(dim=1) if self.class_token is None else x[:, 0])


def _stack(config: ViTConfig) -> Stack:
    blocks = [
        Block(
            config.width,
            config.heads,
            inner=config.inner,
            activation=config.activation,
            dropout=config.dropout,
            eps=config.eps,
        )
        for _ in range(config.layers)
    ]
    return Stack(blocks, nn.LayerNorm(config.width, eps=config.eps))


@dataclass(frozen=True)
class CNNConfig:
    """The options of `CNN`.

    Attributes:
        image_size: lines and columns of the images.
        channels: C of the images.
        classes: how many classes there are.
        widths: channels of each convolution; behind each, the image is halved.

    Raises:
        ValueError: if an option is below 1, or the image is too small to be halved.
    """

    image_size: tuple[int, int] = (8, 8)
    channels: int = 1
    classes: int = 10
    widths: tuple[int, ...] = (32, 64)

    def __post_init__(self) -> None:
        for name in ("channels", "classes"):
            check_positive(name, getattr(self, name))
        for width in self.widths:
            check_positive("widths", width)
        if min(self.image_size) < 2 ** len(self.widths):
            height, width = self.image_size
            raise ValueError(
                f"an image of {height} × {width} cannot be halved {len(self.widths)} "
                "times; leave out some widths"
            )


class CNN(nn.Module):
    """A small convolutional network in the manner of LeCun et al. (1998).

    3 × 3 convolutions, ReLU, and the maximum of each 2 × 2 square, as often as there
    are widths; then a linear map.

    >>> CNN(CNNConfig())(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 10])

    Args:
        config: the options.
    """

    def __init__(self, config: CNNConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for before, after in zip(
            (config.channels, *config.widths), config.widths, strict=False
        ):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*layers, nn.Flatten())
        height, width = (side >> len(config.widths) for side in config.image_size)
        channels = (config.channels, *config.widths)[-1]
        self.head = nn.Linear(channels * height * width, config.classes)

    def forward(self, images: Float[Tensor, "B C Y X"]) -> Float[Tensor, "B N"]:
        """Return the logits of the classes."""
        return self.head(self.features(images))
