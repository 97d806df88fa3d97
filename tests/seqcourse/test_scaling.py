import math

import numpy as np
import pytest
import torch
from scipy.stats import linregress
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    BertConfig as TheirBertConfig,
)
from transformers import (
    BertForPreTraining,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
)

from seqcourse.bert import Bert, BertConfig, BertPretraining
from seqcourse.gpt import GPT, GPTConfig
from seqcourse.scaling import (
    compute_optimal,
    count_parameters,
    fit_power_law,
    flops_per_token,
    kv_cache_bytes,
    on_paper,
    training_flops,
    utilisation,
)
from seqcourse.transformer import TransformerConfig, TransformerLM


def theirs(build) -> int:
    with torch.device("meta"):
        return build().num_parameters()


# --- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "millions"), [("base", 110), ("large", 340)])
def test_bert_has_the_parameters_of_the_paper_and_of_transformers(name, millions):
    config = BertConfig.preset(name)
    encoder = count_parameters(on_paper(lambda: Bert(config)))["all"]
    model = count_parameters(on_paper(lambda: BertPretraining(config)))["all"]
    options = TheirBertConfig(
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.width,
    )
    assert encoder == theirs(lambda: BertModel(options))
    assert model == theirs(lambda: BertForPreTraining(options))
    # the paper's 110 and 340 million: rounded from 110.1 and 336.2, with the heads
    assert model / 1e6 == pytest.approx(millions, rel=0.015)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("gpt2", 124), ("gpt2-medium", 355), ("gpt2-large", 774), ("gpt2-xl", 1558)],
)
def test_gpt2_has_the_parameters_of_transformers(name, millions):
    config = GPTConfig.preset(name)
    count = count_parameters(on_paper(lambda: GPT(config)))["all"]
    options = GPT2Config(n_embd=config.width, n_layer=config.layers, n_head=config.heads)
    assert count == theirs(lambda: GPT2LMHeadModel(options))
    assert round(count / 1e6) == millions


def test_components_are_counted_by_hand():
    counts = count_parameters(on_paper(lambda: BertPretraining(BertConfig(19, 6, 2, 3))))
    assert counts == {
        "embeddings": (19 + 2 + 512) * 6,
        "attention": 3 * (4 * 6 * 6 + 4 * 6),
        "feed-forward": 3 * (2 * 6 * 24 + 24 + 6),
        "norms": (1 + 2 * 3 + 1) * 2 * 6,
        "heads": (6 * 6 + 6) + (6 * 6 + 6 + 19) + (6 * 2 + 2),
        "all": sum(counts.values()) - counts["all"],
    }


def test_an_output_layer_of_its_own_is_a_head():
    config = TransformerConfig(vocab_size=19, width=8, heads=2, layers=1, tied=False)
    assert count_parameters(on_paper(lambda: TransformerLM(config)))["heads"] == 19 * 8


def test_a_model_on_paper_has_no_memory():
    assert all(p.is_meta for p in on_paper(lambda: GPT(GPTConfig.preset("gpt2-xl"))).parameters())


# --- arithmetic --------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("width", "inner"), [(8, None), (12, 20)])
def test_flops_are_those_that_torch_counts(width, inner, causal):
    rows, time = 3, 16
    if causal:
        gpt = GPTConfig(
            vocab_size=19,
            width=width,
            heads=2,
            layers=3,
            inner=inner,
            context_length=time,
            dropout=0.0,
        )
        config, model, head = gpt, GPT(gpt), 2 * 19 * width
    else:
        bert = BertConfig(19, width, 2, 3, inner=inner, dropout=0.0)
        config, model, head = bert, Bert(bert), 2 * width * width / time
    # torch cannot look into its fused attention on a CPU
    flops = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), flops as counter:
        model.eval()(torch.zeros(rows, time, dtype=torch.int64))
    # torch counts a causal mask's zeros as work
    ours = flops_per_token(config, context=time, causal=False) + head
    assert rows * time * ours == counter.get_total_flops()
    halved = flops_per_token(config, context=time, causal=True)
    looks = ours - head - halved
    assert looks == 2 * 3 * time * width


def test_a_gated_network_has_three_matrices():
    options = {"vocab_size": 7, "width": 10, "heads": 2, "layers": 1, "inner": 11}
    plain = flops_per_token(TransformerConfig(**options), context=13)
    gated = flops_per_token(TransformerConfig(**options, activation="swiglu"), context=13)
    assert gated - plain == 2 * 10 * 11


def test_training_costs_three_times_a_forward_pass():
    config = GPTConfig.preset("gpt2")
    counts = count_parameters(on_paper(lambda: GPT(config)))
    weights = counts["attention"] + counts["feed-forward"]
    forward = flops_per_token(config, context=1)
    assert training_flops(weights, 1000) == pytest.approx(1000 * 3 * forward, rel=2e-3)


def test_the_best_split_spends_all_the_compute():
    parameters, tokens = compute_optimal(1e21, tokens_per_parameter=17.0)
    assert training_flops(parameters, tokens) == pytest.approx(1e21)
    assert tokens / parameters == pytest.approx(17)


def test_utilisation():
    assert utilisation(1e3, 1e9, 4e12) == 0.25


def test_impossible_arithmetic_is_refused():
    with pytest.raises(ValueError, match="context must be at least 1, but is 0"):
        flops_per_token(GPTConfig.preset("nano"), context=0)
    with pytest.raises(ValueError, match="must be above 0, but are 0.0 and 20.0"):
        compute_optimal(0.0)
    with pytest.raises(ValueError, match="must be above 0, but are 1.0 and -1.0"):
        compute_optimal(1.0, tokens_per_parameter=-1.0)


# --- memory ------------------------------------------------------------------------------------


def test_the_cache_takes_the_memory_that_is_said():
    config = GPTConfig(vocab_size=7, width=6, heads=2, layers=3, context_length=64)
    with torch.no_grad():
        _, cache = GPT(config).advance(torch.zeros(5, 64, dtype=torch.int64))
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert held == kv_cache_bytes(config, tokens=64, batch=5)
    assert kv_cache_bytes(config, tokens=64, batch=5, bytes_per_number=2) == held / 2


# --- power laws --------------------------------------------------------------------------------


def test_a_power_law_is_found_again():
    x = [1e3, 1e4, 3e5, 1e7]
    law = fit_power_law(x, [7.0 * value**-0.3 for value in x])
    assert law.scale == pytest.approx(7)
    assert law.exponent == pytest.approx(-0.3)
    assert law.exponent_error == pytest.approx(0, abs=1e-12)
    assert law(1e5) == pytest.approx(7 * 1e5**-0.3)


def test_the_error_of_the_exponent_equals_scipys():
    rng = np.random.default_rng(0)
    x = np.geomspace(10, 1e6, 11)
    y = 3 * x**-0.2 * np.exp(0.1 * rng.normal(size=11))
    law, line = fit_power_law(x.tolist(), y.tolist()), linregress(np.log(x), np.log(y))
    assert law.exponent == pytest.approx(line.slope)
    assert law.exponent_error == pytest.approx(line.stderr)
    assert law.scale == pytest.approx(math.exp(line.intercept))


def test_two_points_have_no_error():
    law = fit_power_law([1, 2], [8, 2])
    assert (law.scale, law.exponent) == (pytest.approx(8), pytest.approx(-2))
    assert math.isnan(law.exponent_error)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [1], "need one y for each x, but got 2 x and 1 y"),
        ([3, 3], [1, 2], "need at least two different x to fit a line, but got \\[3\\]"),
        ([1, 2], [1, 0], "numbers above 0, but one is 0"),
        ([-1, 2], [1, 5], "numbers above 0, but one is -1"),
    ],
)
def test_impossible_power_laws_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        fit_power_law(x, y)
