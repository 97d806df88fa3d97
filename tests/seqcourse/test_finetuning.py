import copy

import pytest
import torch
from torch import nn

from seqcourse.batching import Padded, pad
from seqcourse.bert import Bert, BertConfig
from seqcourse.finetuning import (
    SequenceClassifier,
    TaskConfig,
    TokenTagger,
    first_pieces,
    freeze,
    sentence_vectors,
    trainable_parameters,
    unfreeze,
)
from seqcourse.training import cross_entropy, fit, load_model, save_model

V, D = 19, 14
CONFIG = BertConfig(vocab_size=V, width=D, heads=2, layers=1, context_length=11, dropout=0.3)


def bert(seed: int = 0) -> Bert:
    torch.manual_seed(seed)
    return Bert(CONFIG)


def batch(lengths: tuple[int, ...] = (7, 2, 5)) -> Padded:
    generator = torch.Generator().manual_seed(1)
    return pad([torch.randint(5, V, (n,), generator=generator) for n in lengths])


def changed(before: nn.Module, after: nn.Module) -> set[str]:
    """Names of the top-level parts in which any parameter differs."""
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    return {name.split(".")[0] for (name, a), b in pairs if not torch.equal(a, b)}


def train(model: nn.Module) -> None:
    labels = torch.tensor([0, 2, 1])
    learning = [p for p in model.parameters() if p.requires_grad]
    fit(
        model,
        lambda step: batch(),
        lambda m, tokens: cross_entropy(m(tokens), labels),
        steps=5,
        optimizer=torch.optim.Adam(learning, lr=0.01),
        progress=False,
    )


def test_full_fine_tuning_changes_everything_and_feature_extraction_the_head_alone():
    model = SequenceClassifier.on(bert(), classes=3)
    frozen = copy.deepcopy(model)
    freeze(frozen.encoder)
    start = copy.deepcopy(model)
    train(model)
    train(frozen)
    assert changed(start, model) == {"encoder", "head"}
    assert changed(start, frozen) == {"head"}
    assert trainable_parameters(frozen)[0] == 3 * D + 3
    unfreeze(frozen)
    total = sum(p.numel() for p in frozen.parameters())
    assert trainable_parameters(frozen) == (total, total)


def test_the_pretrained_encoder_is_copied():
    encoder = bert()
    before = copy.deepcopy(encoder)
    model = SequenceClassifier.on(encoder, classes=3)
    assert changed(encoder, model.encoder) == set()
    train(model)
    assert changed(before, encoder) == set()


def test_a_classifier_reads_the_pooled_vector():
    model = SequenceClassifier.on(bert().double(), classes=3).eval()
    assert model.head.weight.dtype == torch.float64
    expected = model.encoder(batch()).pooled @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(batch()), expected)


def test_a_tagger_reads_every_token():
    model = TokenTagger.on(bert().double(), classes=5).eval()
    expected = model.encoder(batch()).hidden @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(batch()), expected)
    assert model(batch()).shape == (3, 7, 5)


def test_segments_reach_the_encoder():
    ids = batch().values
    for kind in (SequenceClassifier, TokenTagger):
        model = kind.on(bert(), classes=3).eval()
        assert not torch.allclose(model(ids), model(ids, torch.ones_like(ids)))


def test_a_task_is_saved_and_loaded(tmp_path):
    model = SequenceClassifier(TaskConfig(CONFIG, classes=3, dropout=0.2)).eval()
    save_model(model, tmp_path / "task.safetensors")
    again = load_model(tmp_path / "task.safetensors")
    assert again.config == model.config
    assert torch.equal(again(batch()), model(batch()))


def test_impossible_tasks_are_refused():
    with pytest.raises(ValueError, match="classes must be at least 1, but is 0"):
        TaskConfig(CONFIG, classes=0)
    with pytest.raises(ValueError, match="dropout must be within 0 … 1, but is -0.5"):
        SequenceClassifier.on(bert(), classes=3, dropout=-0.5)


# --- labels on first pieces --------------------------------------------------------------------


def test_labels_stand_on_first_pieces():
    ids, targets, counts = first_pieces([[5], [6, 7, 8], [9, 5]], [1, 4, 2])
    assert ids.tolist() == [5, 6, 7, 8, 9, 5]
    assert targets.tolist() == [1, 4, 0, 0, 2, 0]
    assert counts.tolist() == [True, True, False, False, True, False]


def test_other_pieces_do_not_change_the_loss():
    _, targets, counts = first_pieces([[5], [6, 7, 8], [9, 5]], [1, 4, 2])
    torch.manual_seed(0)
    logits = torch.randn(6, 5)
    loss = cross_entropy(logits, targets, mask=counts)
    logits[~counts] = 100 * torch.randn(3, 5)
    assert torch.equal(cross_entropy(logits, targets, mask=counts), loss)


def test_a_text_without_words():
    assert [x.tolist() for x in first_pieces([], [])] == [[], [], []]


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="got 2 words but 1 labels"):
        first_pieces([[5], [6]], [1])
    with pytest.raises(ValueError, match="word 1 has no piece; give it the id of \\[UNK\\]"):
        first_pieces([[5], []], [1, 2])


# --- features ----------------------------------------------------------------------------------


def test_sentence_vectors_are_normalised_means_of_the_real_tokens():
    encoder = bert().double()
    encoder.train()
    vectors = sentence_vectors(encoder, batch())
    assert encoder.training
    assert not vectors.requires_grad
    encoder.eval()
    for row, length in enumerate((7, 2, 5)):
        mean = encoder(batch().values[row : row + 1, :length]).hidden[0].mean(dim=0)
        torch.testing.assert_close(vectors[row], mean / mean.norm())
