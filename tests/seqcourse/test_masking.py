import numpy as np
import pytest
import torch
from scipy.stats import binom

from seqcourse.bert_inputs import SentencePair, SpecialIds
from seqcourse.masking import mask_tokens, pretraining_batch

V = 101
SPECIAL = SpecialIds(pad=0, cls=2, sep=3, mask=4, unk=1)


def text(rows: int = 211, length: int = 97, *, seed: int = 0) -> torch.Tensor:
    """Ordinary ids with a [CLS] before and a [SEP] behind them, and a padded end."""
    ids = torch.randint(5, V, (rows, length), generator=torch.Generator().manual_seed(seed))
    ids[:, 0], ids[:, -7], ids[:, -6:], ids[:, 3] = 2, 3, 0, 1
    return ids


def mask(ids: torch.Tensor, *, seed: int = 7, **options):
    generator = torch.Generator().manual_seed(seed)
    return mask_tokens(ids, special=SPECIAL, vocab_size=V, generator=generator, **options)


def assert_share(successes: int, trials: int, p: float) -> None:
    """The count lies where all but one in a million binomial counts lie."""
    low, high = binom.interval(1 - 1e-6, trials, p)
    assert low <= successes <= high, f"{successes} of {trials} are not {p:.3f}"


def test_rates_are_15_percent_and_of_those_80_10_10():
    ids = text()
    masked = mask(ids)
    ordinary = int((ids >= 5).sum())
    chosen = int(masked.chosen.sum())
    assert_share(chosen, ordinary, 0.15)
    was, now = ids[masked.chosen], masked.inputs[masked.chosen]
    assert_share(int((now == SPECIAL.mask).sum()), chosen, 0.8)
    # one in V - 5 random tokens is the token itself, by chance
    itself = 1 / (V - 5)
    assert_share(int((now == was).sum()), chosen, 0.1 + 0.1 * itself)
    assert_share(int(((now != was) & (now >= 5)).sum()), chosen, 0.1 * (1 - itself))


def test_replacements_are_uniform_over_the_ordinary_ids():
    masked = mask(text(), rate=1.0, hidden=0.0, replaced=1.0)
    counts = torch.bincount(masked.inputs[masked.chosen], minlength=V)
    assert counts[:5].sum() == 0
    for count in counts[5:]:
        assert_share(int(count), int(counts.sum()), 1 / (V - 5))


def test_special_tokens_and_padding_are_never_touched():
    ids = text()
    masked = mask(ids, rate=1.0)
    special = ids < 5
    assert torch.equal(masked.chosen, ~special)
    assert torch.equal(masked.inputs[special], ids[special])


def test_what_is_not_chosen_stays_and_targets_are_the_text():
    ids = text()
    masked = mask(ids)
    assert torch.equal(masked.targets, ids)
    assert torch.equal(masked.inputs[~masked.chosen], ids[~masked.chosen])


def test_the_ends_of_the_rates():
    ids = text(rows=5)
    nothing, everything = mask(ids, rate=0.0), mask(ids, rate=1.0, hidden=1.0, replaced=0.0)
    assert not nothing.chosen.any()
    assert torch.equal(nothing.inputs, ids)
    assert (everything.inputs[ids >= 5] == SPECIAL.mask).all()
    kept = mask(ids, rate=1.0, hidden=0.0, replaced=0.0)
    assert torch.equal(kept.inputs, ids)
    assert torch.equal(kept.chosen, ids >= 5)


def test_a_seed_fixes_the_masks_and_two_calls_differ():
    ids, generator = text(rows=5), torch.Generator().manual_seed(3)
    first, again = mask(ids, seed=3), mask(ids, seed=3)
    assert torch.equal(first.inputs, again.inputs)
    options = {"special": SPECIAL, "vocab_size": V, "generator": generator}
    one, two = mask_tokens(ids, **options), mask_tokens(ids, **options)
    assert torch.equal(one.inputs, first.inputs)
    assert not torch.equal(one.chosen, two.chosen)


def test_the_global_generator_serves_where_none_is_given():
    torch.manual_seed(5)
    first = mask_tokens(text(rows=5), special=SPECIAL, vocab_size=V)
    torch.manual_seed(5)
    again = mask_tokens(text(rows=5), special=SPECIAL, vocab_size=V)
    assert torch.equal(first.inputs, again.inputs)


def test_whole_words_are_chosen_together_and_at_the_same_rate():
    ids = text()
    starts = torch.rand(ids.shape, generator=torch.Generator().manual_seed(1)) < 0.4
    starts |= ids < 5  # a special token is a word of its own
    starts[:, 1] = starts[:, 4] = starts[:, -6] = True
    masked = mask(ids, word_starts=starts)
    word = starts.cumsum(dim=1)
    same_word = (word[:, 1:] == word[:, :-1]) & (ids[:, 1:] >= 5) & (ids[:, :-1] >= 5)
    assert same_word.sum() > 1000
    together = masked.chosen[:, 1:] == masked.chosen[:, :-1]
    assert together[same_word].all()
    heads = starts & (ids >= 5)
    assert_share(int(masked.chosen[heads].sum()), int(heads.sum()), 0.15)
    # within a word, each piece meets its own fate
    fates = (masked.inputs == SPECIAL.mask)[:, 1:] != (masked.inputs == SPECIAL.mask)[:, :-1]
    both = masked.chosen[:, 1:] & same_word
    assert_share(int(fates[both].sum()), int(both.sum()), 2 * 0.8 * 0.2)


def test_nothing_to_mask():
    assert mask(torch.empty(3, 0, dtype=torch.int64)).inputs.shape == (3, 0)
    assert not mask(torch.zeros(3, 5, dtype=torch.int64), rate=1.0).chosen.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 1.5}, "rate must be within 0 … 1, but is 1.5"),
        ({"hidden": -0.1}, "hidden must be within 0 … 1, but is -0.1"),
        ({"replaced": 2.0}, "replaced must be within 0 … 1, but is 2.0"),
        ({"hidden": 0.8, "replaced": 0.3}, "shares of one whole, but their sum is 0.8 \\+ 0.3"),
    ],
)
def test_impossible_rates_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        mask(text(rows=2), **options)


@pytest.mark.parametrize("wrong", [V, -1])
def test_ids_outside_the_vocabulary_are_refused(wrong):
    ids = text(rows=2)
    ids[1, 5] = wrong
    with pytest.raises(ValueError, match="ids must be within 0 … 100, but run from -?\\d+ to"):
        mask(ids)


# --- batches of pre-training -------------------------------------------------------------------


def test_a_pretraining_batch_masks_joined_pairs():
    first, second = np.array([11, 12, 13]), np.array([14, 15])
    pairs = [SentencePair(first, second, True), SentencePair(second, first[:1], False)]
    batch = pretraining_batch(
        pairs, special=SPECIAL, vocab_size=V, length=19, rate=1.0,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert batch.targets.tolist() == [
        [2, 11, 12, 13, 3, 14, 15, 3],
        [2, 14, 15, 3, 11, 3, 0, 0],
    ]
    assert batch.segments.tolist() == [[0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1, 0, 0]]
    assert batch.tokens.lengths.tolist() == [8, 6]
    assert torch.equal(batch.chosen, batch.targets >= 5)
    assert batch.strangers.tolist() == [0, 1]
    assert (batch.tokens.values != batch.targets).any()
    assert torch.equal(batch.tokens.values[~batch.chosen], batch.targets[~batch.chosen])
