import json
import pickle
import sys
import types
from dataclasses import dataclass, field

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from seqcourse.training.saving import load_model, save_model


@dataclass(frozen=True)
class Inner:
    width: int = 3
    shape: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Options:
    vocab_size: int
    inner: Inner = field(default_factory=Inner)
    name: str | None = None
    tied: bool = False
    derived: int = field(default=0, init=False)


class Toy(nn.Module):
    def __init__(self, config: Options) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.inner.width)
        self.output = nn.Linear(config.inner.width, config.vocab_size, bias=False)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("wide", torch.arange(15.0).reshape(3, 5).T)
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        if config.tied:
            self.output.weight = self.embedding.weight


class Hidden:
    """A class that is neither a model nor a configuration."""


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """Let the package have a module with these classes."""
    module = types.ModuleType("seqcourse.toys")
    for kind in (Inner, Options, Toy, Hidden):
        monkeypatch.setattr(kind, "__module__", module.__name__)
        setattr(module, kind.__name__, kind)
    module.Linear = nn.Linear
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


CONFIG = Options(7, Inner(5, ((2, 0.5), (3, 0.25))), name="ü", tied=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "models" / "toy.safetensors"


def saved(path, config=CONFIG, change=lambda model: model):
    model = Toy(config)
    change(model)
    save_model(model, path)
    return model


def rewrite(path, **about) -> None:
    """Put something else into the header."""
    tensors = load_file(path)
    save_model(Toy(CONFIG), path)
    header = {"class": "seqcourse.toys:Toy", "config": None, "tied": {}, **about}
    save_file(tensors, path, metadata={"seqcourse": json.dumps(header)})


def test_a_model_comes_back_as_it_was(path):
    model = saved(path, change=lambda model: model.scale.fill_(3))
    again = load_model(str(path))
    assert type(again) is Toy
    assert again.config == CONFIG
    assert not again.training
    assert again.state_dict().keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_tied_parameters_are_written_once_and_tied_again(path):
    saved(path, Options(7, tied=True))
    assert load_file(path).keys() == {"embedding.weight", "scale", "wide"}
    again = load_model(path)
    assert again.output.weight is again.embedding.weight


def test_a_model_that_unties_what_was_tied_gets_two_copies(path):
    def tie(model):
        model.output.weight = model.embedding.weight

    saved(path, change=tie)
    again = load_model(path)
    assert again.output.weight is not again.embedding.weight
    assert torch.equal(again.output.weight, again.embedding.weight)


@pytest.mark.parametrize("tied", [False, True])
def test_the_types_of_numbers_are_kept(path, tied):
    def change(model):
        model.to(torch.bfloat16)
        model.scale = model.scale.double()

    saved(path, Options(7, tied=tied), change)
    again = load_model(path)
    assert again.embedding.weight.dtype == torch.bfloat16
    assert again.scale.dtype == torch.float64
    assert (again.output.weight is again.embedding.weight) is tied


@pytest.mark.parametrize("second", [0, 1])
def test_views_into_common_memory_are_written_apart(path, second):
    def share(model):
        both = torch.arange(70.0).reshape(2, 7, 5)
        model.embedding.weight = nn.Parameter(both[0])
        model.output.weight = nn.Parameter(both[second])

    model = saved(path, change=share)
    again = load_model(path)
    assert torch.equal(again.embedding.weight, model.embedding.weight)
    assert torch.equal(again.output.weight, model.output.weight)


def test_loading_draws_no_random_numbers(path):
    saved(path)
    torch.manual_seed(3)
    expected = torch.rand(5)
    torch.manual_seed(3)
    load_model(path)
    assert torch.equal(torch.rand(5), expected)


def test_an_older_file_is_replaced(path):
    saved(path)
    model = saved(path)
    assert torch.equal(load_model(path).embedding.weight, model.embedding.weight)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# --- refusals when saving ----------------------------------------------------------------------


def test_a_model_without_a_configuration_is_refused(path):
    with pytest.raises(TypeError, match="Linear has no dataclass as its config attribute"):
        save_model(nn.Linear(3, 5), path)
    assert not path.exists()


def test_a_class_of_another_package_is_refused(path, monkeypatch):
    monkeypatch.setattr(Toy, "__module__", __name__)
    with pytest.raises(ValueError, match="Toy is not a class at the top of a seqcourse module"):
        saved(path)


def test_a_class_that_cannot_be_found_by_its_name_is_refused(path, toys):
    class Local(Toy):
        pass

    class Replaced(Toy):
        pass

    toys.Replaced = Toy
    Replaced.__module__ = Local.__module__ = toys.__name__
    Replaced.__qualname__ = "Replaced"
    for kind in (Local, Replaced):
        with pytest.raises(ValueError, match=f"{kind.__qualname__} is not a class at the top of"):
            save_model(kind(CONFIG), path)


def test_what_json_cannot_hold_is_refused(path, unchecked_shapes):
    for wrong in ([1], {"a": 1}, torch.float16, Inner):
        with pytest.raises(ValueError, match="a configuration may hold numbers, strings, tuples"):
            saved(path, Options(7, name=wrong))


# --- refusals when loading ---------------------------------------------------------------------


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=f"there is no model file {path}"):
        load_model(path)


def test_damaged_and_foreign_files_are_refused(path):
    saved(path)
    whole = path.read_bytes()
    foreign = pickle.dumps([1, 2, 3])
    for damaged in (b"", foreign, whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is damaged, or was not written by save_model"):
            load_model(path)
    for header in (None, {"other": "1"}, {"seqcourse": "{nonsense"}):
        save_file({"a": torch.zeros(1)}, path, metadata=header)
        with pytest.raises(ValueError, match="is damaged, or was not written by save_model"):
            load_model(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("os:system", "os:system is not a class of seqcourse"),
        ("seqcourse_evil:Toy", "is not a class of seqcourse"),
        ("builtins:dict", "is not a class of seqcourse"),
        ("seqcourse.toys:Linear", "is not a class of seqcourse"),  # imported there, not made
        ("seqcourse.training.saving:load_model", "is not a class of seqcourse"),
        ("seqcourse.toys:Toy.forward", "is not a class of seqcourse"),
        ("seqcourse.toys:Gone", "has no attribute 'Gone'"),
        ("seqcourse.gone:Toy", "No module named 'seqcourse.gone'"),
        ("seqcourse.toys:Hidden", "Hidden is not a model"),
        ("seqcourse.toys:Options", "Options is not a model"),
        (7, "this version"),
    ],
)
def test_only_models_of_the_package_can_be_named(path, name, message):
    saved(path)
    rewrite(path, **{"class": name})
    with pytest.raises(ValueError, match=f"does not fit the models of .*{message}"):
        load_model(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class": "os:system", "options": {}}, "os:system is not a class of seqcourse"),
        ({"class": "seqcourse.toys:Toy", "options": {}}, "Toy is not a configuration"),
        ({"class": "seqcourse.toys:Options", "options": {"size": 7}}, "argument 'size'"),
        ({"class": "seqcourse.toys:Options"}, "options"),
        ({}, "class"),
        (None, "vocab_size"),
        ([1], "vocab_size"),
    ],
)
def test_only_configurations_of_the_package_can_be_spelt(path, config, message):
    saved(path)
    rewrite(path, config=config)
    with pytest.raises(ValueError, match=f"does not fit the models of this version.*{message}"):
        load_model(path)


def test_parameters_must_fit_the_configuration(path):
    saved(path)
    header = {"class": "seqcourse.toys:Options", "options": {"vocab_size": 11}}
    rewrite(path, config=header)
    with pytest.raises(ValueError, match=r"(?s)does not fit the models of this.*size mismatch"):
        load_model(path)
    rewrite(path, tied={"output.weight": "gone"})
    with pytest.raises(ValueError, match=r"does not fit the models of this.*gone"):
        load_model(path)
    for wrong in (7, ["a"], None):
        rewrite(path, tied=wrong)
        with pytest.raises(ValueError, match="does not fit the models of this version"):
            load_model(path)
