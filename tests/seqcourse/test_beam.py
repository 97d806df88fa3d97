import numpy as np
import pytest
import torch
from torch import nn

from seqcourse.beam import GNMT, Hypothesis, Power, SearchTree, beam_search
from seqcourse.decoding import greedy
from seqcourse.ngram import MLE, AddK, NGram
from seqcourse.stepping import Stepwise

V, STOP = 4, 3
ROWS = torch.tensor([[0, 1], [2, 2], [1, 3]])


def ngram(seed: int = 0) -> NGram:
    tokens = np.random.default_rng(seed).integers(0, V, 97)
    return NGram(2, V, AddK(0.1)).fit(tokens)


class Small(nn.Module):
    """A recurrent step model with random parameters; what it has read is its state."""

    vocab_size = V

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding, self.cell = nn.Embedding(V, 5), nn.GRUCell(5, 5)
        self.out = nn.Linear(5, V)
        self.double()

    def begin(self, inputs):
        state = torch.zeros(len(inputs), 5, dtype=torch.float64)
        for ids in inputs.T:
            logits, state = self.step(ids, state)
        return logits, state

    def step(self, ids, state):
        state = self.cell(self.embedding(ids) * 3, state)
        return self.out(state) * 4, state

    def reorder(self, state, rows):
        return state[rows]


def step_models() -> list:
    return [Stepwise(ngram()), Stepwise(ngram(1)), Small(0), Small(1)]


@torch.no_grad()
def all_beginnings(model, prompt, length) -> dict[tuple[int, ...], float]:
    """ln p of every sequence of up to `length` tokens in which STOP is at most the last."""
    result = {}
    logits, state = model.begin(prompt[None])
    beginnings = {(): 0.0}
    for _ in range(length):
        logprobs = logits.log_softmax(-1)
        longer = {
            (*tokens, token): logprob + float(logprobs[row, token])
            for row, (tokens, logprob) in enumerate(beginnings.items())
            for token in range(V)
        }
        result |= longer
        rows = [r for r in range(len(beginnings)) for token in range(V) if token != STOP]
        beginnings = {tokens: p for tokens, p in longer.items() if tokens[-1] != STOP}
        ids = torch.tensor([tokens[-1] for tokens in beginnings])
        logits, state = model.step(ids, model.reorder(state, torch.tensor(rows)))
    return result


def brute_force(model, prompt, length, penalty) -> list[Hypothesis]:
    """Every sequence that ends in STOP or is `length` long, with its score; best first."""
    ends = [
        Hypothesis(tokens, logprob, logprob / penalty(len(tokens)))
        for tokens, logprob in all_beginnings(model, prompt, length).items()
        if tokens[-1] == STOP or len(tokens) == length
    ]
    return sorted(ends, key=lambda h: -h.score)


@pytest.mark.parametrize("model", step_models(), ids=["n-gram", "n-gram", "GRU", "GRU"])
@pytest.mark.parametrize("penalty", [Power(0.0), Power(1.0), GNMT(0.7), Power(-0.5)], ids=str)
def test_full_width_finds_everything(model, penalty):
    everything = [brute_force(model, row, 3, penalty) for row in ROWS[:2]]
    found = beam_search(model, ROWS[:2], width=V**3, length=3, stop=STOP, length_penalty=penalty)
    for expected, ours in zip(everything, found, strict=True):
        assert len(ours) == len(expected)
        assert ours[0].tokens == expected[0].tokens
        assert {h.tokens for h in ours} == {h.tokens for h in expected}
        np.testing.assert_allclose([h.score for h in ours], [h.score for h in expected])
        np.testing.assert_allclose(
            sorted(h.logprob for h in ours), sorted(h.logprob for h in expected)
        )


@pytest.mark.parametrize("model", step_models(), ids=["n-gram", "n-gram", "GRU", "GRU"])
@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_what_is_found_is_scored_right_and_in_order(model, width, alpha):
    for row, ours in enumerate(
        beam_search(model, ROWS, width=width, length=4, stop=STOP, length_penalty=alpha)
    ):
        scores = {h.tokens: h for h in brute_force(model, ROWS[row], 4, Power(alpha))}
        assert 1 <= len(ours) <= width
        assert len({h.tokens for h in ours}) == len(ours)
        assert [h.score for h in ours] == sorted((h.score for h in ours), reverse=True)
        for hypothesis in ours:
            assert hypothesis.logprob == pytest.approx(scores[hypothesis.tokens].logprob)
            assert hypothesis.score == pytest.approx(scores[hypothesis.tokens].score)


def test_width_one_is_greedy():
    model = ngram()
    for stop in (None, STOP):
        found = beam_search(Stepwise(model), ROWS, width=1, length=9, stop=stop)
        for row, (only,) in zip(ROWS, found, strict=True):
            # a stop token ends the search, being the most probable token there
            expected = greedy(model, 9, prompt=row.numpy(), stop=stop)
            assert list(only.tokens) == expected.tolist()


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("model", step_models(), ids=["n-gram", "n-gram", "GRU", "GRU"])
def test_rows_do_not_know_of_each_other(model, early_stopping):
    options = {"width": 3, "length": 7, "stop": STOP, "early_stopping": early_stopping}
    together = beam_search(model, ROWS, **options)
    for row, several in zip(ROWS, together, strict=True):
        (alone,) = beam_search(model, row[None], **options)
        assert [h.tokens for h in alone] == [h.tokens for h in several]
        np.testing.assert_allclose([h.score for h in alone], [h.score for h in several])


def test_the_best_beginning_need_not_begin_the_best_sequence():
    # after 2 comes 0 three times in five; then anything; but after 1 always 1
    texts = [[2, 0, 0], [2, 0, 1], [2, 0, 2], [2, 1, 1], [2, 1, 1]]
    model = NGram(1, 3, AddK(0.01)).fit([np.array(text) for text in texts])
    prompt = torch.tensor([[2]])
    (narrow,), (wide, *_) = (
        beam_search(Stepwise(model), prompt, width=w, length=3)[0] for w in (1, 2)
    )
    assert narrow.tokens[0] == 0
    assert wide.tokens == (1, 1, 1)
    assert wide.logprob > narrow.logprob


class Scripted:
    """Two tokens and a stop. Says what the script has for the number of tokens written."""

    vocab_size = 3

    def __init__(self, *steps) -> None:
        self.steps, self.asked = [torch.tensor(s).log() for s in steps], 0

    def begin(self, inputs):
        self.asked = 1
        return self.steps[0].expand(len(inputs), -1), (1, len(inputs))

    def step(self, ids, state):
        self.asked, rows = state[0] + 1, state[1]
        return self.steps[state[0]].expand(rows, -1), (self.asked, rows)

    def reorder(self, state, rows):
        return (state[0], len(rows))


def test_the_search_ends_when_nothing_better_can_come():
    # a stop at once has 0.6; what goes on has 0.4 at most, and with 1 beam that is the end
    model = Scripted([0.3, 0.1, 0.6], [0.9, 0.05, 0.05], [0.5, 0.4, 0.1])
    beam_search(model, ROWS, width=1, length=3, stop=2)
    assert model.asked == 1
    # divided by the length, ln 0.3 over three tokens could still beat ln 0.6 over one …
    beam_search(model, ROWS, width=1, length=3, stop=2, length_penalty=1.0)
    assert model.asked == 3
    # … and whoever is content with the first that comes does not look
    beam_search(model, ROWS, width=1, length=3, stop=2, length_penalty=1.0, early_stopping=True)
    assert model.asked == 1


class TwoRows(Scripted):
    """The first two steps of the script are the first logits of its two rows."""

    def begin(self, inputs):
        _, state = super().begin(inputs)
        return torch.stack([self.steps[0], self.steps[1]]), state


def test_a_row_that_is_done_takes_no_more_while_others_go_on():
    model = TwoRows([0.33, 0.33, 0.34], [0.98, 0.01, 0.01], [0.98, 0.01, 0.01])
    # the first row could have (0, 0, 0) with ln(0.32) / 3 instead of ln 0.34
    options = {"width": 1, "length": 3, "stop": 2, "length_penalty": 1.0}
    ((early,), (late,)) = beam_search(model, ROWS[:2], early_stopping=True, **options)
    assert (early.tokens, late.tokens) == ((2,), (0, 0, 0))
    ((patient,), _) = beam_search(model, ROWS[:2], **options)
    assert patient.tokens == (0, 0, 0)


def test_a_length_penalty_lets_long_sequences_win():
    model = Scripted([0.59, 0.01, 0.4], [0.6, 0.01, 0.39], [0.6, 0.01, 0.39])
    best = [
        beam_search(model, ROWS[:1], width=3, length=3, stop=2, length_penalty=p)[0][0].tokens
        for p in (0.0, 1.0, GNMT(2.5))
    ]
    assert best == [(2,), (0, 0, 0), (0, 0, 0)]


def test_the_penalties_by_hand():
    assert Power(0.5)(9) == 3
    assert Power(0.0)(7) == 1
    assert GNMT(1.0)(1) == 1
    assert GNMT(2.0)(7) == pytest.approx(4)
    assert repr(GNMT(0.6)) == "GNMT(alpha=0.6)"


def test_it_equals_transformers():
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 31, "n_positions": 32, "n_embd": 12, "n_layer": 1, "n_head": 2}
    special = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    wild = {"initializer_range": 0.2, "tie_word_embeddings": False}
    theirs = GPT2LMHeadModel(GPT2Config(**sizes, **special, **wild)).eval()
    ours = Whole(theirs)
    prompts = torch.randint(0, 31, (5, 3))
    for alpha, early in ((0.0, False), (1.0, False), (0.7, True)):
        expected = theirs.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=11,
            num_beams=5,
            num_return_sequences=5,
            do_sample=False,
            length_penalty=alpha,
            early_stopping=early or "never",
            return_dict_in_generate=True,
            output_scores=True,
        )
        found = beam_search(
            ours, prompts, width=5, length=11, stop=0, length_penalty=alpha, early_stopping=early
        )
        hypotheses = [h for several in found for h in several]
        assert any(len(h.tokens) < 11 for h in hypotheses)
        np.testing.assert_allclose(
            [h.score for h in hypotheses], expected.sequences_scores, rtol=1e-4
        )
        for hypothesis, row in zip(hypotheses, expected.sequences[:, 3:].tolist(), strict=True):
            assert list(hypothesis.tokens) == row[: len(hypothesis.tokens)]


class Whole:
    """Drives a model of transformers by reading everything anew at each step."""

    def __init__(self, model) -> None:
        self.model, self.vocab_size = model, model.config.vocab_size

    def begin(self, inputs):
        return self.model(inputs).logits[:, -1], inputs

    def step(self, ids, state):
        return self.begin(torch.cat([state, ids[:, None]], dim=1))

    def reorder(self, state, rows):
        return state[rows]


# --- the tree --------------------------------------------------------------------------


def test_the_tree_holds_all_that_was_looked_at():
    model, width, length = Small(0), 2, 4
    tree = SearchTree()
    found = beam_search(model, ROWS, width=width, length=length, stop=STOP, tree=tree)
    plain = beam_search(model, ROWS, width=width, length=length, stop=STOP)
    assert found == plain
    for row, branches in enumerate(tree.rows):
        by_tokens = {}
        for place, branch in enumerate(branches):
            assert branch.parent < place
            parent = branches[branch.parent] if branch.parent >= 0 else None
            assert branch.depth == (parent.depth + 1 if parent else 1)
            assert parent is None or (parent.kept and parent.logprob >= branch.logprob)
            tokens = (*path(branches, branch.parent), branch.token)
            assert tokens not in by_tokens
            by_tokens[tokens] = branch
        exact = all_beginnings(model, ROWS[row], length)
        for tokens, branch in by_tokens.items():
            assert branch.logprob == pytest.approx(exact[tokens])
        for hypothesis in found[row]:
            assert by_tokens[hypothesis.tokens].ended
        for depth in range(1, length):
            assert sum(b.kept for b in branches if b.depth == depth) in (width, 0)


def path(branches, place) -> tuple[int, ...]:
    if place < 0:
        return ()
    return (*path(branches, branches[place].parent), branches[place].token)


def test_the_tree_stops_growing_where_the_search_ended():
    # the first row has its two hypotheses after one token, the second goes on
    model = TwoRows([0.01, 0.01, 0.98], [0.5, 0.49, 0.01], [0.5, 0.3, 0.2])
    tree = SearchTree()
    beam_search(model, ROWS[:2], width=1, length=3, stop=2, tree=tree)
    assert max(b.depth for b in tree.rows[0]) == 1
    assert max(b.depth for b in tree.rows[1]) == 3


# --- corners and bad input -------------------------------------------------------------


def test_dead_ends_are_left_out_and_an_end_of_all_is_explained():
    chain = Stepwise(NGram(1, 3, MLE()).fit(np.array([0, 1, 0, 1, 2])))
    (found,) = beam_search(chain, torch.tensor([[0]]), width=3, length=2, stop=2)
    assert {h.tokens for h in found} == {(1, 0), (1, 2)}  # not three: nothing else can be
    tree = SearchTree()
    beam_search(chain, torch.tensor([[0]]), width=3, length=2, stop=2, tree=tree)
    assert sorted(b.token for b in tree.rows[0]) == [0, 1, 2]
    texts = [np.array([0, 1]), np.array([0, 3, 3, 3])]  # nothing comes after 1
    two_ways = Stepwise(NGram(1, 4, MLE()).fit(texts))
    (found,) = beam_search(two_ways, torch.tensor([[0]]), width=2, length=2)
    assert [h.tokens for h in found] == [(3, 3)]
    with pytest.raises(ValueError, match="no token is possible here"):
        beam_search(chain, torch.tensor([[0], [2]]), width=2, length=2)


def test_dropout_is_off_during_the_search():
    model = Small(0)
    model.drop = nn.Dropout()
    seen = []
    model.drop.register_forward_hook(lambda module, *_: seen.append(module.training))
    step = model.step
    model.step = lambda ids, state: step(ids, model.drop(state))
    beam_search(model, ROWS, width=2, length=3)
    assert set(seen) == {False}
    assert model.training


def test_half_precision_is_added_up_in_full():
    model = Scripted([0.3, 0.1, 0.6], [0.5, 0.4, 0.1])
    model.steps = [step.half() for step in model.steps]
    best = beam_search(model, ROWS[:1], width=2, length=2, stop=2)[0][0]
    assert best.logprob == pytest.approx(np.log(0.6), abs=1e-3)


def test_bad_options_are_explained():
    with pytest.raises(ValueError, match="width must be at least 1, but is 0"):
        beam_search(Small(0), ROWS, width=0, length=1)
    with pytest.raises(ValueError, match="length must be at least 1, but is 0"):
        beam_search(Small(0), ROWS, width=1, length=0)
