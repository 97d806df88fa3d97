"""Options: a checkpoint's `config.json`, turned into our configurations and back.

An option that our models do not have is refused by its name, rather than ignored: a
model that computes something else, without a word, is worse than none.
"""

from typing import Any, Literal, TypeAlias

from seqcourse.bert import BertConfig
from seqcourse.gpt import GPTConfig

__all__ = ["Options", "bert_config", "bert_options", "gpt_config", "gpt_options"]

Options: TypeAlias = dict[str, Any]
"""What `config.json` holds."""

_Activation = Literal["relu", "gelu", "gelu_tanh"]
_ACTIVATIONS: dict[str, _Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
}


def gpt_config(options: Options) -> GPTConfig:
    """Turn the options of a GPT-2 checkpoint into ours; GPT-2's fill the gaps.

    >>> gpt_config({"n_layer": 24, "n_embd": 1024, "n_head": 16}).layers
    24

    Raises:
        ValueError: if an option has a value that our model cannot do.
    """
    _require(
        options,
        model_type="gpt2",
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        reorder_and_upcast_attn=False,
        add_cross_attention=False,
    )
    dropout = _dropout(options, "resid_pdrop", "embd_pdrop", "attn_pdrop")
    vocab_size = options.get("vocab_size", 50257)
    start = options.get("bos_token_id")
    return GPTConfig(
        vocab_size=vocab_size,
        width=options.get("n_embd", 768),
        heads=options.get("n_head", 12),
        layers=options.get("n_layer", 12),
        inner=options.get("n_inner"),
        context_length=options.get("n_positions", 1024),
        activation=_activation(options, "activation_function", "gelu_new"),
        dropout=dropout,
        eps=options.get("layer_norm_epsilon", 1e-5),
        tied=options.get("tie_word_embeddings", True),
        start_id=start if start is not None and start < vocab_size else vocab_size - 1,
    )


def gpt_options(config: GPTConfig) -> Options:
    """Turn our options into those of a GPT-2 checkpoint.

    Raises:
        ValueError: if GPT-2 has no such option: other positions or norms, no biases,
            SwiGLU.
    """
    for name, value in {"positions": "learned", "norm": "pre", "bias": True}.items():
        if getattr(config, name) != value:
            raise ValueError(
                f"a GPT-2 checkpoint needs {name}={value!r}, but the model has "
                f"{getattr(config, name)!r}; use seqcourse.training.save_model"
            )
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": config.inner,
        "activation_function": _their_activation(config.activation),
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "layer_norm_epsilon": config.eps,
        "tie_word_embeddings": config.tied,
        "bos_token_id": config.start_id,
        "eos_token_id": config.start_id,
    }


def bert_config(options: Options) -> BertConfig:
    """Turn the options of a BERT checkpoint into ours; BERT base's fill the gaps.

    Raises:
        ValueError: if an option has a value that our model cannot do.
    """
    _require(
        options,
        model_type="bert",
        position_embedding_type="absolute",
        is_decoder=False,
        add_cross_attention=False,
        tie_word_embeddings=True,
    )
    return BertConfig(
        vocab_size=options.get("vocab_size", 30522),
        width=options.get("hidden_size", 768),
        heads=options.get("num_attention_heads", 12),
        layers=options.get("num_hidden_layers", 12),
        inner=options.get("intermediate_size", 3072),
        context_length=options.get("max_position_embeddings", 512),
        segments=options.get("type_vocab_size", 2),
        activation=_activation(options, "hidden_act", "gelu"),
        dropout=_dropout(
            options, "hidden_dropout_prob", "attention_probs_dropout_prob"
        ),
        eps=options.get("layer_norm_eps", 1e-12),
    )


def bert_options(config: BertConfig) -> Options:
    """Turn our options into those of a BERT checkpoint."""
    return {
        "model_type": "bert",
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.inner or 4 * config.width,
        "hidden_act": _their_activation(config.activation),
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "max_position_embeddings": config.context_length,
        "type_vocab_size": config.segments,
        "layer_norm_eps": config.eps,
    }


def _require(options: Options, **needed: str | bool) -> None:
    """Refuse options that would make another model; those left out are as needed."""
    for name, value in needed.items():
        if options.get(name, value) != value:
            raise ValueError(
                f"config.json has {name}={options[name]!r}, but only {value!r} works"
            )


def _dropout(options: Options, *names: str) -> float:
    values = {name: float(options.get(name, 0.1)) for name in names}
    if len(set(values.values())) > 1:
        raise ValueError(
            f"config.json has different dropouts, {values}, but our models have one; "
            "set them equal in the file (they make no difference unless you train)"
        )
    return values[names[0]]


def _activation(options: Options, name: str, default: str) -> _Activation:
    theirs = options.get(name, default)
    if theirs not in _ACTIVATIONS:
        raise ValueError(
            f"config.json has {name}={theirs!r}, not one of {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[theirs]


def _their_activation(ours: str) -> str:
    names: dict[str, str] = {
        own: theirs for theirs, own in reversed(_ACTIVATIONS.items())
    }
    if ours not in names:
        raise ValueError(
            f"no checkpoint has activation={ours!r}; use seqcourse.training.save_model"
        )
    return names[ours]
