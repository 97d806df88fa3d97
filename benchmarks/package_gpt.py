"""GPT against transformers: a training step, greedy decoding, and beam search.

Both sides have the same weights: transformers draws and saves them, and ours are loaded from its
files by `seqcourse.weights`. A prompt of ours begins with the start token by itself; theirs is
given it.
"""

import tempfile
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from common import Row
from transformers import GPT2Config, GPT2LMHeadModel

from seqcourse.beam import beam_search
from seqcourse.generation import generate
from seqcourse.gpt import GPT
from seqcourse.training import next_token_loss
from seqcourse.weights import from_pretrained

VOCABULARY, LAYERS, WIDTH, HEADS, CONTEXT = 8000, 6, 384, 6, 512
START = VOCABULARY - 1
PEER = "transformers"

Work = Callable[[], Any]


def models() -> tuple[GPT, GPT2LMHeadModel]:
    """Return both sides with the same weights."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=START,
        eos_token_id=None,
    )
    theirs = GPT2LMHeadModel(config).eval()
    for parameter in theirs.parameters():  # an untrained model hardly prefers any token
        parameter.data.mul_(3 if parameter.ndim == 2 else 1)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        return from_pretrained(GPT, folder), theirs


def some_ids(rows: int, length: int) -> torch.Tensor:
    """Return random ids, the same ones each time."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, VOCABULARY, (rows, length), generator=generator)


def with_start(prompts: torch.Tensor) -> torch.Tensor:
    """Put the start token before each prompt."""
    return F.pad(prompts, (1, 0), value=START)


def training_step(rows: int, length: int) -> tuple[Work, Work]:
    """Prepare one step of AdamW on the next-token loss."""
    ours, theirs = (model.train() for model in models())
    ids = some_ids(rows, length + 1)
    inputs, targets = ids[:, :-1], ids[:, 1:]

    def our_loss() -> torch.Tensor:
        return next_token_loss(ours, (inputs, targets))

    def their_loss() -> torch.Tensor:
        logits = theirs(inputs, use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    for loss in (our_loss, their_loss):
        loss().backward()
    torch.testing.assert_close(our_loss(), their_loss(), rtol=1e-5, atol=0)
    torch.testing.assert_close(
        ours.tokens.weight.grad, theirs.transformer.wte.weight.grad, rtol=1e-3, atol=1e-6
    )
    return step(ours, our_loss), step(theirs, their_loss)


def step(model: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Work:
    """Return a training step: loss, gradients, update."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)

    def work() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return work


def greedy(rows: int, length: int) -> tuple[Work, Work]:
    """Prepare writing with a key-value cache, the most probable token each time."""
    ours, theirs = models()
    prompts = some_ids(rows, 16)
    read = with_start(prompts)
    mask = torch.ones_like(read)

    def our_work() -> torch.Tensor:
        return generate(ours, prompts, length, temperature=0)

    def their_work() -> torch.Tensor:
        return theirs.generate(
            read, attention_mask=mask, max_new_tokens=length, do_sample=False, pad_token_id=0
        )

    assert torch.equal(our_work(), their_work()[:, read.shape[1] :])
    return our_work, their_work


def beams(rows: int, length: int, width: int) -> tuple[Work, Work]:
    """Prepare beam search; nothing ends early, so that both sides have the same semantics."""
    ours, theirs = models()
    prompts = some_ids(rows, 16)
    read = with_start(prompts)
    mask = torch.ones_like(read)

    def our_work() -> list[list[int]]:
        found = beam_search(ours, prompts, width=width, length=length)
        return [list(hypotheses[0].tokens) for hypotheses in found]

    def their_work() -> torch.Tensor:
        return theirs.generate(
            read,
            attention_mask=mask,
            max_new_tokens=length,
            num_beams=width,
            do_sample=False,
            pad_token_id=0,
        )

    assert our_work() == their_work()[:, read.shape[1] :].tolist()
    return our_work, their_work


BOUND = "Both sides multiply the same numbers by the same weights, with the same library"
SIZE = f"{LAYERS} layers, D = {WIDTH}, V = {VOCABULARY}"
ROWS = [
    Row(
        f"GPT training step with AdamW: {SIZE}, B = 4, T = 256",
        PEER,
        0.9,
        lambda: training_step(4, 256),
    ),
    Row(
        f"GPT greedy decoding, 256 new tokens: {SIZE}, B = 1",
        PEER,
        0.5,
        lambda: greedy(1, 256),
    ),
    Row(
        f"GPT greedy decoding, 256 new tokens: {SIZE}, B = 16",
        PEER,
        0.5,
        lambda: greedy(16, 256),
        note=f"{BOUND}. At 16 rows these products are two thirds of our time.",
    ),
    Row(
        f"GPT beam search, width 5, 64 new tokens: {SIZE}, B = 2",
        PEER,
        0.5,
        lambda: beams(2, 64, 5),
        note=f"{BOUND}. At 10 rows these products are more than half of our time.",
    ),
]
