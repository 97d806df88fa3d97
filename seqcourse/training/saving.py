"""Saving: a trained model as one file that is safe to open.

The file is in the safetensors format: a JSON header, then the raw numbers. The header
also names the model's class and spells out its configuration, so that `load_model` can
build the model before it fills it. Nothing in the file is executed: unlike a pickle, a
file of unknown origin can do no more than name a model of this package.
"""

import json
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from seqcourse.training.files import read_safetensors, replacing

__all__ = ["load_model", "save_model"]

PACKAGE = "seqcourse"


def save_model(model: nn.Module, path: Path | str) -> None:
    """Write a model, its class and its configuration to a file, replacing an older one.

    Args:
        model: one of this package, made by `Model(config)` with a dataclass for its
            only argument, kept as `model.config`. Tied parameters are written once.
        path: where to; by custom it ends in ".safetensors". Missing folders are
            created.

    Raises:
        ValueError: if the model's class is not a public one of this package, or there
            is something in its configuration that JSON cannot hold.
        TypeError: if the model has no configuration.
    """
    config = getattr(model, "config", None)
    if not is_dataclass(config):
        raise TypeError(
            f"{type(model).__name__} has no dataclass as its config attribute, so it "
            "could not be built again; save its state_dict() with safetensors instead"
        )
    tensors, tied = _tensors(model)
    about = {"class": _name(type(model)), "config": _to_json(config), "tied": tied}
    with replacing(Path(path)) as draft:
        save_file(tensors, draft, metadata={PACKAGE: json.dumps(about)})


def load_model(path: Path | str) -> nn.Module:
    """Build the model that `save_model` wrote, on the CPU, ready to be used (`eval()`).

    The parameters have the type they were saved in; the global random generators are
    left alone.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, was not written by `save_model`, or does not
            fit the classes of this version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no model file {path}")
    try:
        state, header = read_safetensors(path)
        about = json.loads(header[PACKAGE])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged, or was not written by save_model"
        ) from error
    try:
        state |= {alias: state[name] for alias, name in about["tied"].items()}
        model = _build(_find(about["class"]), _from_json(about["config"]))
        _fill(model, state)
    except _UNFIT as error:
        raise ValueError(
            f"{path} does not fit the models of this version of {PACKAGE}: {error}"
        ) from error
    return model.eval()


_UNFIT = (
    AttributeError,
    ImportError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What goes wrong when a file asks for what is not here, or is not a model."""


def _tensors(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return each tensor under its first name; and the first names of the others."""
    state = model.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    for name, tensor in state.items():
        first.setdefault(id(tensor), name)
    tied = {name: first[id(t)] for name, t in state.items() if first[id(t)] != name}
    own = {name: t for name, t in state.items() if name not in tied}
    # cloned, because the format has no place for views into a common block of memory
    return {
        name: t.detach().cpu().contiguous().clone() for name, t in own.items()
    }, tied


def _build(kind: type, config: Any) -> nn.Module:
    if not issubclass(kind, nn.Module):
        raise TypeError(f"{kind.__name__} is not a model")
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten anyway
        return kind(config)


def _fill(model: nn.Module, state: dict[str, Tensor]) -> None:
    for name, tensor in model.state_dict(keep_vars=True).items():
        if name in state:
            tensor.data = tensor.data.to(state[name].dtype)
    model.load_state_dict(state)


# --- configurations as JSON ---


def _to_json(value: Any) -> Any:
    """Turn a configuration into what JSON can hold; `_from_json` undoes it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple):
        return {"tuple": [_to_json(x) for x in value]}
    if is_dataclass(value) and not isinstance(value, type):
        options = {
            f.name: _to_json(getattr(value, f.name)) for f in fields(value) if f.init
        }
        return {"class": _name(type(value)), "options": options}
    raise ValueError(
        f"a configuration may hold numbers, strings, tuples, None and dataclasses of "
        f"{PACKAGE}, but here is {value!r}"
    )


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_from_json(x) for x in value["tuple"])
    kind = _find(value["class"])
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} is not a configuration")
    return kind(**{name: _from_json(x) for name, x in value["options"].items()})


def _name(kind: type) -> str:
    """Return module and name of a class, having checked that they lead back to it."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    try:
        found = _find(name)
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not kind:
        raise ValueError(
            f"{kind.__qualname__} is not a class at the top of a {PACKAGE} module"
        )
    return name


def _find(name: str) -> type:
    """Return the class of the package with this name; refuse all else."""
    module, _, kind = name.partition(":")
    if module.split(".")[0] != PACKAGE or not kind.isidentifier():
        raise ValueError(f"{name} is not a class of {PACKAGE}")
    found = getattr(import_module(module), kind)
    if not isinstance(found, type) or found.__module__ != module:
        raise ValueError(f"{name} is not a class of {PACKAGE}")
    return found
