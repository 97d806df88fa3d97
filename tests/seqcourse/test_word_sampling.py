import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seqcourse.word_sampling import (
    AliasTable,
    as_texts,
    count_words,
    draw_negatives,
    keep_probabilities,
    noise_distribution,
)

COUNTS = np.array([700, 211, 60, 17, 11, 1, 0])  # 1,000 words


def test_the_papers_subsampling_by_hand():
    keep = keep_probabilities(COUNTS, 0.04, formula="paper")
    discard = 1 - np.sqrt(0.04 / np.array([0.7, 0.211, 0.06]))  # eq. 5
    np.testing.assert_allclose(keep[:3], 1 - discard)
    assert keep[3:].tolist() == [1, 1, 1, 1]


def test_the_programs_subsampling_is_gensims():
    from gensim.models import Word2Vec

    model = Word2Vec(sample=0.04, min_count=1, vector_size=2)
    model.build_vocab_from_freq({str(i): int(n) for i, n in enumerate(COUNTS) if n})
    keep = keep_probabilities(COUNTS, 0.04)
    for i in range(6):
        theirs = model.wv.get_vecattr(str(i), "sample_int") / 2**32
        assert keep[i] == pytest.approx(theirs, abs=1e-6)


def test_the_program_keeps_more_than_the_paper_and_starts_later():
    paper = keep_probabilities(COUNTS, 0.04, formula="paper")
    program = keep_probabilities(COUNTS, 0.04)
    assert (program >= paper).all()
    assert program[2] == 1 > paper[2]  # f = 1.5 t
    assert (keep_probabilities(COUNTS, None) == 1).all()


def test_the_noise_by_hand():
    noise = noise_distribution(COUNTS, power=0.75)
    assert noise.sum() == pytest.approx(1)
    assert noise[0] / noise[4] == pytest.approx((700 / 11) ** 0.75)
    assert noise[6] == 0
    np.testing.assert_allclose(noise_distribution(COUNTS, power=1.0), COUNTS / 1000)
    assert noise_distribution(COUNTS, power=0.0).tolist() == [*[1 / 6] * 6, 0]


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=31).filter(any))
def test_the_alias_table_holds_the_distribution(weights):
    p = np.array(weights) / sum(weights)
    table = AliasTable(p)
    held = table.share / len(p)
    np.add.at(held, table.alias, (1 - table.share) / len(p))
    np.testing.assert_allclose(held, p, atol=1e-12)
    assert ((table.share >= 0) & (table.share <= 1)).all()


def test_draws_follow_the_distribution():
    p = noise_distribution(COUNTS)
    drawn = AliasTable(p).sample(20_000, np.random.default_rng(0))
    seen = np.bincount(drawn, minlength=7)
    assert seen[6] == 0
    assert stats.chisquare(seen[:6], p[:6] * 20_000).pvalue > 0.01


def test_negatives_are_noise_but_never_the_target():
    p = noise_distribution(COUNTS)
    targets = np.repeat(np.array([0, 4]), 5_000)
    negatives = draw_negatives(AliasTable(p), targets, 3, np.random.default_rng(0))
    assert negatives.shape == (10_000, 3)
    assert (negatives != targets[:, None]).all()
    seen = np.bincount(negatives[:5_000].ravel(), minlength=7)
    rest = p[1:6] / p[1:6].sum()
    assert stats.chisquare(seen[1:6], rest * 15_000).pvalue > 0.01


def test_one_text_or_several():
    assert count_words(np.array([2, 0, 2]), 4).tolist() == [1, 0, 2, 0]
    several = as_texts([np.array([2, 0]), np.empty(0, dtype=np.int64)], 4)
    assert [x.tolist() for x in several] == [[2, 0], []]


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="empty corpus"):
        as_texts([np.empty(0, dtype=np.int64)], 3)
    with pytest.raises(ValueError, match=r"corpus\[1\] contains the id 3, .* 0 … 2"):
        count_words([np.array([0]), np.array([3])], 3)
    with pytest.raises(ValueError, match=r"threshold must be above 0, .* but is 0"):
        keep_probabilities(COUNTS, 0.0)
    with pytest.raises(ValueError, match="every count is 0"):
        noise_distribution(np.zeros(3, dtype=np.int64))
    for p in ([0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(ValueError, match="p must hold probabilities that sum to 1"):
            AliasTable(np.array(p))


def test_an_unknown_formula_is_refused(unchecked_shapes):
    with pytest.raises(ValueError, match="formula must be one of .* but is 'gensim'"):
        keep_probabilities(COUNTS, 0.1, formula="gensim")
