"""Captioning: a network that looks at a picture, and one that says what it sees.

A captioner is a translator whose source is a picture (Vinyals et al. 2015): a
convolutional network takes the place of the encoder, and the decoder is the same LSTM.
It shrinks the picture to a coarse grid with one vector for each cell. Without
attention, the whole grid becomes one vector, which the LSTM reads once, as if it were
the first word. With attention (Xu et al. 2015) the decoder looks at the grid anew for
each word, and `align` shows where.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqcourse._checks import check_id, check_positive, check_probability
from seqcourse.batching import Padded
from seqcourse.recurrent_decoder import (
    Decoded,
    DecoderState,
    RecurrentDecoder,
    select_rows,
    shift_right,
)
from seqcourse.scores import AdditiveScore

__all__ = ["CaptionConfig", "Captioner", "PictureEncoder"]

SHRINK = 4
"""How many pixels, each way, one cell of the grid stands for."""


@dataclass(frozen=True)
class CaptionConfig:
    """How a `Captioner` is built.

    Attributes:
        vocab_size: V.
        start_id: the id that the decoder reads first.
        end_id: the id that ends every caption.
        height: of the pictures in pixels, a multiple of 4.
        picture_width: width of the pictures in pixels, a multiple of 4.
        channels: of the pictures: 1 for grey, 3 for colours.
        embedding_width: width of the token vectors.
        width: D, width of the grid's vectors and of the LSTM.
        attention: whether the decoder looks at the grid for each word.
        dropout: share of values set to zero in training, in the decoder.

    Raises:
        ValueError: if an option is out of its range.
    """

    vocab_size: int
    start_id: int
    end_id: int
    height: int
    picture_width: int
    channels: int = 1
    embedding_width: int = 32
    width: int = 64
    attention: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("vocab_size", "channels", "embedding_width", "width"):
            check_positive(name, getattr(self, name))
        check_id("start_id", self.start_id, self.vocab_size)
        check_id("end_id", self.end_id, self.vocab_size)
        check_probability("dropout", self.dropout)
        for name in ("height", "picture_width"):
            size = getattr(self, name)
            if size < SHRINK or size % SHRINK:
                raise ValueError(
                    f"{name} must be a multiple of {SHRINK} pixels, the size of a cell "
                    f"of the grid, but is {size}"
                )


class PictureEncoder(nn.Module):
    """A small convolutional network: a picture becomes a coarse grid of vectors.

    Twice: 3 by 3 convolution, normalisation, ReLU, and the maximum of each 2 by 2. The
    normalisation (group normalisation with one group, Wu and He 2018) sets the mean and
    the variance of each picture, all channels together. It depends on no other picture
    of the batch, and without it such a network learns the grammar of the captions long
    before it learns to see.

    Args:
        channels: of the pictures.
        width: D, width of the vectors.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    def forward(self, pictures: Float[Tensor, "B C Y X"]) -> Float[Tensor, "B S D"]:
        """Return the vectors of the grid's S = Y/4 · X/4 cells, row by row."""
        return self.layers(pictures).flatten(2).transpose(1, 2)


class Captioner(nn.Module):
    """A convolutional encoder and an LSTM decoder; a `StepModel` that takes pictures.

    It is taught like a translator, by `seqcourse.teacher_forcing.teaching_loss`.
    Without attention: the whole grid, flattened, goes through a linear layer to the
    width of a word, and the LSTM reads it before the start token (Vinyals et al. 2015,
    eqs. 10-12). With attention: the first state comes from the mean of the grid (Xu et
    al. 2015, section 3.1.2), and an additive score weighs the cells for each word,
    after the recurrent step (see `seqcourse.recurrent_decoder.Attention`; Xu et al. do
    it before). The grid knows what is where, for a learned vector is added to each
    cell.

    Args:
        config: how it is built.

    Attributes:
        config: how it was built.
        vocab_size: V.
        start_id: the id that the decoder reads first.
        grid: rows and columns of the grid.
    """

    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.config = config
        self.vocab_size, self.start_id = config.vocab_size, config.start_id
        self.grid = (config.height // SHRINK, config.picture_width // SHRINK)
        cells, width = self.grid[0] * self.grid[1], config.width
        self.encoder = PictureEncoder(config.channels, width)
        self.decoder = RecurrentDecoder(
            config.vocab_size,
            config.embedding_width,
            width,
            cell="lstm",
            dropout=config.dropout,
            score=AdditiveScore(width, width, width) if config.attention else None,
            memory_width=width,
        )
        if config.attention:
            self.places = nn.Parameter(torch.randn(cells, width) * width**-0.5)
            self.summarise: nn.Module = nn.Linear(width, 2 * width)
        else:
            self.summarise = nn.Sequential(
                nn.Linear(cells * width, config.embedding_width),
                nn.LayerNorm(config.embedding_width),  # as large as an embedding
            )

    def forward(
        self, pictures: Float[Tensor, "B C Y X"], ids: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T V"]:
        """Return the logits of the next token after each one of `ids`.

        Raises:
            ValueError: if the pictures have another shape than the model was made for,
                or there are not as many captions.
        """
        return self._decode(pictures, ids).logits

    def align(
        self, pictures: Float[Tensor, "B C Y X"], written: Int[Tensor, "B T"]
    ) -> Float[Tensor, "B T R K"]:
        """Return where attention looks for each token: weights over the grid.

        Raises:
            ValueError: if the model has no attention, or for pictures as in `forward`.
        """
        ids = shift_right(written, self.start_id)
        weights = self._decode(pictures, ids).alignments
        if weights is None:
            raise ValueError(
                "this captioner has no alignments, for it has no attention; set "
                "CaptionConfig(attention=True)"
            )
        return weights.unflatten(2, self.grid)

    def begin(
        self, inputs: Float[Tensor, "B C Y X"]
    ) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """Look at the pictures, read the start token; return the first token's logits.

        Raises:
            ValueError: if the pictures have another shape than the model was made for.
        """
        start = torch.full((len(inputs),), self.start_id, device=inputs.device)
        return self.step(start, self.look(inputs))

    def step(
        self, ids: Int[Tensor, " B"], state: DecoderState
    ) -> tuple[Float[Tensor, "B V"], DecoderState]:
        """Read one more token in each row; return the logits of the next."""
        logits, _, state = self.decoder(ids[:, None], state)
        return logits[:, -1], state

    def reorder(self, state: DecoderState, rows: Int[Tensor, " R"]) -> DecoderState:
        """Return the state of the given rows of the batch."""
        return select_rows(state, rows)

    def look(self, pictures: Float[Tensor, "B C Y X"]) -> DecoderState:
        """Encode the pictures; return the state in which the decoder starts."""
        config = self.config
        expected = (config.channels, config.height, config.picture_width)
        if pictures.shape[1:] != expected:
            raise ValueError(
                f"each picture must have shape {expected}, but has "
                f"{tuple(pictures.shape[1:])}"
            )
        cells = self.encoder(pictures)  # (B, S, D)
        if not config.attention:
            as_a_word = self.summarise(cells.flatten(1))[:, None]  # (B, 1, E)
            _, state = self.decoder.recurrent(as_a_word)
            return self.decoder.start(state)
        first = torch.tanh(self.summarise(cells.mean(dim=1)))  # (B, 2 D)
        h, c = first.chunk(2, dim=-1)
        lengths = torch.full((len(cells),), cells.shape[1], device=cells.device)
        source = Padded(cells + self.places, lengths)
        return self.decoder.start(
            (h[None].contiguous(), c[None].contiguous()), source=source
        )

    def _decode(
        self, pictures: Float[Tensor, "B C Y X"], ids: Int[Tensor, "B T"]
    ) -> Decoded:
        return self.decoder(ids, self.look(pictures))
