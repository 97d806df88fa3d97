import copy

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from seqcourse.bert import Bert, BertConfig
from seqcourse.finetuning import SequenceClassifier, trainable_parameters
from seqcourse.gpt import GPT, GPTConfig
from seqcourse.lora import (
    LoRAConfig,
    LoRALinear,
    add_lora,
    load_adapters,
    merge,
    save_adapters,
    unmerge,
)
from seqcourse.training import fit, next_token_loss

V, D, R = 17, 10, 3
CONFIG = LoRAConfig(("query_key_value", "attention.output"), rank=R, alpha=5.0)


def layer(*, bias: bool = True, dropout: float = 0.0, trained: bool = True) -> LoRALinear:
    torch.manual_seed(0)
    base = nn.Linear(7, 5, bias=bias).double()
    adapter = LoRALinear(base, rank=R, alpha=11.0, dropout=dropout).double()
    if trained:
        nn.init.normal_(adapter.b)
    return adapter


def gpt() -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(vocab_size=V, width=D, heads=2, layers=2, context_length=13, dropout=0.0))


def text() -> torch.Tensor:
    return torch.randint(0, V, (5, 12), generator=torch.Generator().manual_seed(1))


def train(model: GPT, steps: int = 20) -> list[float]:
    learning = [p for p in model.parameters() if p.requires_grad]
    history = fit(
        model,
        lambda step: (text()[:, :-1], text()[:, 1:]),
        next_token_loss,
        steps=steps,
        optimizer=torch.optim.Adam(learning, lr=0.02),
        progress=False,
    )
    return history.losses


# --- the layer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
def test_a_fresh_adapter_changes_nothing(bias):
    adapter, x = layer(bias=bias, trained=False), torch.randn(3, 2, 7).double()
    assert torch.equal(adapter(x), adapter.base(x))


def test_values_are_those_of_the_formula():
    adapter, x = layer(), torch.randn(3, 2, 7).double()
    weight = adapter.base.weight + 11 / 3 * adapter.b @ adapter.a
    torch.testing.assert_close(adapter(x), x @ weight.T + adapter.base.bias)
    torch.testing.assert_close(adapter.weight, weight)
    assert adapter.bias is adapter.base.bias


def test_gradients_reach_the_adapter_alone():
    adapter, x = layer(), torch.randn(3, 7).double()
    adapter(x).square().sum().backward()
    assert adapter.base.weight.grad is None
    assert adapter.base.bias.grad is None
    weight = adapter.weight.detach().requires_grad_()
    F.linear(x, weight, adapter.base.bias).square().sum().backward()
    torch.testing.assert_close(adapter.b.grad, 11 / 3 * weight.grad @ adapter.a.T)
    torch.testing.assert_close(adapter.a.grad, 11 / 3 * adapter.b.T @ weight.grad)


def test_the_rank_of_the_update_is_that_of_the_bottleneck():
    assert torch.linalg.matrix_rank(layer().update) == R


def test_the_first_of_the_two_matrices_keeps_the_variance():
    torch.manual_seed(0)
    adapter = LoRALinear(nn.Linear(401, 5), rank=97)
    x = torch.randn(503, 401)
    assert (x @ adapter.a.T).std().item() == pytest.approx(1, rel=0.02)


def test_merging_changes_no_output_and_unmerging_restores_every_bit():
    adapter, x = layer(), torch.randn(3, 7).double()
    before, weight = adapter(x), adapter.base.weight.clone()
    adapter.merge()
    assert adapter.merged
    torch.testing.assert_close(adapter(x), before, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(adapter.weight, weight + adapter.update)
    merged = adapter.base.weight.clone()
    adapter.merge()  # a second time: nothing
    assert torch.equal(adapter.base.weight, merged)
    adapter.unmerge()
    assert not adapter.merged
    assert torch.equal(adapter.base.weight, weight)
    assert torch.equal(adapter(x), before)
    adapter.unmerge()
    assert torch.equal(adapter.base.weight, weight)


def test_dropout_acts_on_the_update_alone_and_in_training_only():
    adapter, x = layer(dropout=0.5), torch.randn(3, 7).double()
    assert not torch.equal(adapter(x), adapter(x))
    adapter.eval()
    assert torch.equal(adapter(x), adapter(x))
    adapter.train()
    nn.init.zeros_(adapter.b)
    assert torch.equal(adapter(x), adapter.base(x))


def test_it_shows_its_rank():
    assert "rank=3, scale=3.66667" in repr(layer())


# --- models ------------------------------------------------------------------------------------


def test_a_fresh_model_writes_what_its_base_writes():
    model = gpt().eval()
    expected = model(text())
    assert torch.equal(add_lora(model, CONFIG)(text()), expected)


def test_only_adapters_train_and_they_learn():
    model = add_lora(gpt(), CONFIG)
    before = copy.deepcopy(dict(model.named_parameters()))
    losses = train(model, steps=100)
    assert losses[-1] < losses[0] - 0.08
    for name, parameter in model.named_parameters():
        adapter = name.endswith((".a", ".b"))
        assert parameter.requires_grad == adapter
        assert torch.equal(parameter, before[name]) != adapter, name


def test_the_number_of_trainable_parameters():
    model = gpt()
    total = sum(p.numel() for p in model.parameters())
    # for each of 2 layers: D -> 3 D, and D -> D
    added = 2 * (R * (D + 3 * D) + R * (D + D))
    assert trainable_parameters(add_lora(model, CONFIG)) == (added, total + added)


def test_a_merged_model_writes_the_same_and_is_restored():
    model = add_lora(gpt(), CONFIG).double()
    train(model, steps=3)
    model.eval()
    state = copy.deepcopy(model.state_dict())
    expected = model(text())
    merge(model)
    torch.testing.assert_close(model(text()), expected, rtol=1e-11, atol=1e-11)
    unmerge(model)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_target_may_be_one_layer_only():
    model = add_lora(gpt(), LoRAConfig(("stack.blocks.1.feed_forward.expand",)))
    adapted = [n for n, m in model.named_modules() if isinstance(m, LoRALinear)]
    assert adapted == ["stack.blocks.1.feed_forward.expand"]


def test_a_layer_named_twice_is_adapted_once():
    model = add_lora(gpt(), LoRAConfig(("expand", "feed_forward.expand")))
    assert sum(isinstance(m, LoRALinear) for m in model.modules()) == 2


def test_a_new_head_trains_in_full():
    bert = Bert(BertConfig(vocab_size=V, width=D, heads=2, layers=1))
    model = SequenceClassifier.on(bert, classes=5)
    add_lora(model, LoRAConfig(("query_key_value",), rank=R, trained=("head",)))
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    block = "encoder.stack.blocks.0.attention.query_key_value"
    assert learning == {f"{block}.a", f"{block}.b", "head.weight", "head.bias"}


def test_adapters_follow_the_mode_and_type_of_the_model():
    model = add_lora(gpt().double().eval(), CONFIG)
    adapters = [m for m in model.modules() if isinstance(m, LoRALinear)]
    assert not any(m.training for m in adapters)
    assert all(m.a.dtype == torch.float64 for m in adapters)


# --- files -------------------------------------------------------------------------------------


def test_adapters_are_saved_alone_and_loaded(tmp_path):
    config = LoRAConfig(
        ("query_key_value",), rank=2, alpha=3.0, dropout=0.1, trained=("stack.norm",)
    )
    model = add_lora(gpt(), config)
    train(model, steps=3)
    path = tmp_path / "adapters.safetensors"
    save_adapters(model, config, path)
    assert len(load_file(path)) == 2 * 2 + 2  # A and B of two layers, scale and shift of a norm
    again = gpt()
    assert load_adapters(again, path) == config
    assert torch.equal(again.eval()(text()), model.eval()(text()))


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.ones(3)}, path)
    with pytest.raises(ValueError, match="other.safetensors holds no adapters: it was not written"):
        load_adapters(gpt(), path)


def test_adapters_of_another_model_are_refused(tmp_path):
    path = tmp_path / "adapters.safetensors"
    save_adapters(add_lora(gpt(), CONFIG), CONFIG, path)
    options = {"vocab_size": V, "heads": 2, "context_length": 13}
    with pytest.raises(ValueError, match="do not fit this model: .*blocks.1.attention.output.a"):
        load_adapters(GPT(GPTConfig(width=D, layers=1, **options)), path)
    wider = GPT(GPTConfig(width=D + 2, layers=2, **options))
    with pytest.raises(ValueError, match="do not fit this model: .*query_key_value.b"):
        load_adapters(wider, path)


def test_impossible_adapters_are_refused(tmp_path):
    with pytest.raises(ValueError, match="target 'value' names no linear layer; there are stack"):
        add_lora(gpt(), LoRAConfig(("value",)))
    with pytest.raises(ValueError, match="trained names 'head', which is no module .* has tokens"):
        add_lora(gpt(), LoRAConfig(("query_key_value",), trained=("head",)))
    with pytest.raises(ValueError, match="the model has adapters already"):
        add_lora(add_lora(gpt(), CONFIG), CONFIG)
    with pytest.raises(ValueError, match="no adapters to save; call add_lora"):
        save_adapters(gpt(), CONFIG, tmp_path / "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ()}, "targets is empty: name at least one linear layer"),
        ({"rank": 0}, "rank must be at least 1, but is 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, but is 1.0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LoRAConfig(**{"targets": ("query_key_value",), **options})
