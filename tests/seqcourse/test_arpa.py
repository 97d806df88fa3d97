"""ARPA files, against what the format says, and against KenLM where that is installed."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from seqcourse.arpa import write_arpa
from seqcourse.ngram import MLE, AddK, Backoff, Interpolation, KneserNey, NGram, WittenBell

WORDS = ("to", "be", "or", "not", "é", "</s>", "never-seen")
V = len(WORDS)


def corpus() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, V - 1, size) for size in (31, 17, 2, 1)]


def texts() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, V, size) for size in (1, 2, 13, 29)]


SMOOTHINGS = {
    "Kneser-Ney": lambda order: KneserNey(),
    "Kneser-Ney 0.3": lambda order: KneserNey(0.3),
    "Witten-Bell": lambda order: WittenBell(),
    "back-off": lambda order: Backoff(0.6),
    "interpolation": lambda order: Interpolation((0.9, *[0.6] * order)),
}
every_order = pytest.mark.parametrize("order", [1, 2, 3, 4])
every_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS.values(), ids=SMOOTHINGS)


def read(path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """The log10 probabilities and back-off weights of an ARPA file, by n-gram."""
    fields = [line.split("\t") for line in path.read_text("utf-8").splitlines() if "\t" in line]
    logs = {ngram: float(log) for log, ngram, *_ in fields}
    return logs, {ngram: float(rest[0]) for _, ngram, *rest in fields if rest}


def asked(logs: dict[str, float], weights: dict[str, float], words: list[str]) -> float:
    """log10 p(last word | words before), by the rule of the format."""
    if " ".join(words) in logs:
        return logs[" ".join(words)]
    return weights.get(" ".join(words[:-1]), 0.0) + asked(logs, weights, words[1:])


@every_order
@every_smoothing
def test_who_reads_the_file_gets_our_probabilities(smoothing, order, tmp_path):
    model = NGram(order, V, smoothing(order)).fit(corpus())
    path = tmp_path / "model.arpa"
    write_arpa(model, WORDS, path)
    logs, weights = read(path)
    for tokens in texts():
        words = ["<s>"] * order + [WORDS[i] for i in tokens]
        grams = [words[i : i + order + 1] for i in range(len(tokens))]
        theirs = [asked(logs, weights, gram) for gram in grams]
        np.testing.assert_allclose(model.logprobs(tokens) / np.log(10), theirs, atol=2e-6)


@pytest.mark.skipif(not find_spec("kenlm"), reason="needs KenLM, which `make bench` installs")
@every_order
@every_smoothing
def test_kenlm_gives_the_same_probabilities(smoothing, order, tmp_path, capfd):
    import kenlm

    model = NGram(order, V, smoothing(order)).fit(corpus())
    path = tmp_path / "model.arpa"
    write_arpa(model, WORDS, path)
    theirs = kenlm.Model(str(path))
    assert theirs.order == order + 1
    for tokens in texts():
        text = " ".join(["<s>"] * (order - 1) + [WORDS[i] for i in tokens])
        scores = [s for s, *_ in theirs.full_scores(text, bos=True, eos=False)]
        ours = model.logprobs(tokens) / np.log(10)
        np.testing.assert_allclose(ours, scores[order - 1 :], atol=2e-6)
        assert theirs.score(text, bos=True, eos=False) == pytest.approx(ours.sum(), abs=1e-4)
    capfd.readouterr()  # kenlm reports its progress


def test_unigrams_need_no_context(tmp_path):
    path = tmp_path / "unigrams.arpa"
    write_arpa(NGram(0, 3, WittenBell()).fit(np.array([0, 0, 1])), "abc", path)
    # c(a) = 2, T = 2: a (2 + 2/3)/5, b (1 + 2/3)/5, c (2/3)/5
    lines = path.read_text().splitlines()
    assert lines[:3] == ["\\data\\", "ngram 1=6", ""]
    p = {word: 10 ** float(log) for log, word in (line.split("\t") for line in lines[4:10])}
    assert [p[w] for w in "abc"] == pytest.approx([8 / 15, 5 / 15, 2 / 15])
    assert p["<s>"] == p["</s>"] == p["<unk>"] == 1e-99
    assert lines[-1] == "\\end\\"


def test_a_smoothing_that_knows_one_context_only_is_refused(tmp_path):
    for smoothing in (MLE(), AddK(0.5)):
        model = NGram(1, V, smoothing).fit(corpus())
        with pytest.raises(ValueError, match="does not ask shorter contexts.*KneserNey"):
            write_arpa(model, WORDS, tmp_path / "x")


def test_tokens_that_do_not_fit_are_refused(tmp_path):
    model = NGram(1, 3, WittenBell()).fit(np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="got 2 tokens for V = 3 ids"):
        write_arpa(model, ["a", "b"], tmp_path / "x")
    for wrong, named in (
        (["a", "b", "b"], "repeated"),
        (["a", "b c", "<s>"], "b c"),
        (["", "a", "b"], ""),
    ):
        with pytest.raises(ValueError, match=f"tokens must be different, not empty.*{named}"):
            write_arpa(model, wrong, tmp_path / "x")
    with pytest.raises(RuntimeError, match="call fit"):
        write_arpa(NGram(1, 3, WittenBell()), "abc", tmp_path / "x")
