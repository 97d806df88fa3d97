"""Encoder-decoder transformers: ours against `torch.nn.Transformer`.

Both sides have the same weights, embeddings, masks, output layer and loss; that losses and
gradients agree is asserted before anything is timed.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from common import Row
from torch import nn

from seqcourse.batching import Padded
from seqcourse.blocks import copy_from_torch
from seqcourse.encoder_decoder import EncoderDecoder, EncoderDecoderConfig

Work = Callable[[], Any]
PEER = "torch.nn.Transformer"
LAYERS, WIDTH, HEADS, VOCABULARY, START, END = 3, 256, 4, 1000, 1, 2


class Peer(nn.Module):
    """torch's transformer between the embeddings and the output layer of ours."""

    def __init__(self, ours: EncoderDecoder) -> None:
        """Give ours the weights of torch's stacks, and copy its embeddings."""
        super().__init__()
        self.transformer = nn.Transformer(
            WIDTH, HEADS, LAYERS, LAYERS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        copy_from_torch(ours.encoder, self.transformer.encoder)
        copy_from_torch(ours.decoder, self.transformer.decoder)
        self.source_tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.target_tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.source_tokens.load_state_dict(ours.source_tokens.state_dict())
        self.target_tokens.load_state_dict(ours.target_tokens.state_dict())
        assert ours.source_positions is not None
        ours.source_positions(torch.zeros(1, 512, WIDTH))  # fills the table
        self.register_buffer("waves", ours.source_positions.table.clone())

    def embedded(self, ids: torch.Tensor, tokens: nn.Embedding) -> torch.Tensor:
        """Return scaled embeddings plus positions."""
        return tokens(ids) * WIDTH**0.5 + self.waves[: ids.shape[1]]

    def forward(self, source: Padded, ids: torch.Tensor) -> torch.Tensor:
        """Return logits; the masks are used as torch's documentation shows."""
        hidden_source = ~source.mask
        hidden = self.transformer(
            self.embedded(source.values, self.source_tokens),
            self.embedded(ids, self.target_tokens),
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(ids.shape[1]) < 0,
            src_key_padding_mask=hidden_source,
            memory_key_padding_mask=hidden_source,
            tgt_is_causal=True,
        )
        return F.linear(hidden, self.target_tokens.weight)


def models() -> tuple[EncoderDecoder, Peer]:
    """Return two models with the same weights."""
    torch.manual_seed(0)
    ours = EncoderDecoder(
        EncoderDecoderConfig(
            VOCABULARY,
            VOCABULARY,
            START,
            END,
            width=WIDTH,
            heads=HEADS,
            encoder_layers=LAYERS,
            decoder_layers=LAYERS,
            dropout=0.0,
        )
    )
    return ours, Peer(ours)


def batch(rows: int, longest: int) -> tuple[Padded, torch.Tensor, torch.Tensor]:
    """Return sources of half to full length, what the decoder reads, and what it shall write."""
    lengths = torch.randint(longest // 2, longest + 1, (rows,))
    source = Padded(torch.randint(3, VOCABULARY, (rows, longest)), lengths)
    ids = torch.randint(3, VOCABULARY, (rows, longest + 1))
    return source, ids[:, :-1], ids[:, 1:]


def training_step(rows: int, longest: int) -> tuple[Work, Work]:
    """Prepare one step of AdamW on the next-token loss."""
    ours, theirs = models()
    source, read, written = batch(rows, longest)

    def loss(model: nn.Module) -> torch.Tensor:
        return F.cross_entropy(model(source, read).flatten(0, 1), written.flatten())

    losses = [loss(ours), loss(theirs)]
    for value in losses:
        value.backward()
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        ours.source_tokens.weight.grad, theirs.source_tokens.weight.grad, rtol=1e-3, atol=1e-6
    )
    return step(ours, loss), step(theirs, loss)


def step(model: nn.Module, loss: Callable[[nn.Module], torch.Tensor]) -> Work:
    """Return a training step: loss, gradients, update."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)

    def work() -> None:
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()

    return work


def greedy(rows: int, longest: int) -> tuple[Work, Work]:
    """Prepare greedy writing; torch has no cache, so its decoder reads everything again."""
    ours, theirs = (model.eval() for model in models())
    source, _, _ = batch(rows, longest)

    @torch.no_grad()
    def our_work() -> torch.Tensor:
        logits, state = ours.begin(source)
        written = [logits.argmax(dim=-1)]
        for _ in range(longest - 1):
            logits, state = ours.step(written[-1], state)
            written.append(logits.argmax(dim=-1))
        return torch.stack(written, dim=1)

    @torch.no_grad()
    def their_work() -> torch.Tensor:
        memory = theirs.transformer.encoder(
            theirs.embedded(source.values, theirs.source_tokens),
            src_key_padding_mask=~source.mask,
        )
        ids = torch.full((rows, 1), START)
        for _ in range(longest):
            hidden = theirs.transformer.decoder(
                theirs.embedded(ids, theirs.target_tokens),
                memory,
                tgt_mask=nn.Transformer.generate_square_subsequent_mask(ids.shape[1]) < 0,
                memory_key_padding_mask=~source.mask,
                tgt_is_causal=True,
            )
            logits = F.linear(hidden[:, -1], theirs.target_tokens.weight)
            ids = torch.cat((ids, logits.argmax(dim=-1, keepdim=True)), dim=1)
        return ids[:, 1:]

    assert torch.equal(our_work(), their_work())
    return our_work, their_work


SIZE = f"{LAYERS} + {LAYERS} layers, D = {WIDTH}, V = {VOCABULARY}"
ROWS = [
    Row(
        f"encoder-decoder training step with AdamW: {SIZE}, B = 32, T = {longest}",
        PEER,
        1.0,
        lambda longest=longest: training_step(32, longest),
    )
    for longest in (32, 64)
] + [
    Row(
        f"encoder-decoder greedy decoding, 64 tokens: {SIZE}, B = 8",
        PEER,
        0.5,
        lambda: greedy(8, 64),
        note="torch.nn.Transformer has no key-value cache",
    )
]
