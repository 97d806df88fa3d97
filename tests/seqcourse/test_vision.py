import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seqcourse.vision import CNN, CNNConfig, ViT, ViTConfig, patches

B, C, SIDE, CLASSES, H, D = 2, 3, 2, 7, 3, 6
HEIGHT, WIDTH = 6, 10


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def config(**options) -> ViTConfig:
    sizes = {
        "image_size": (HEIGHT, WIDTH),
        "patch_size": SIDE,
        "channels": C,
        "classes": CLASSES,
        "width": D,
        "heads": H,
        "layers": 2,
        "inner": 11,
    }
    return ViTConfig(**(sizes | options))


def randomised(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module.eval()


def images() -> torch.Tensor:
    return torch.randn(B, C, HEIGHT, WIDTH)


def test_patches_come_in_reading_order():
    x = images()
    cut = patches(x, SIDE)
    assert cut.shape == (B, 15, C * SIDE * SIDE)
    for n in range(15):
        row, column = divmod(n, WIDTH // SIDE)
        square = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert torch.equal(cut[:, n], square.flatten(1))
    assert torch.equal(cut, F.unfold(x, SIDE, stride=SIDE).mT)
    assert torch.equal(patches(x.transpose(2, 3), SIDE)[0, 1], patches(x.mT, SIDE)[0, 1])


def test_projected_patches_are_a_convolution_that_jumps():
    model = randomised(ViT(config()))
    kernel = model.project.weight.view(D, C, SIDE, SIDE)
    expected = F.conv2d(x := images(), kernel, model.project.bias, stride=SIDE)
    torch.testing.assert_close(model.project(patches(x, SIDE)), expected.flatten(2).mT)


def test_the_model_is_that_of_transformers():
    from transformers import ViTConfig as TheirConfig
    from transformers import ViTForImageClassification

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = ViTForImageClassification(
            TheirConfig(
                hidden_size=D,
                num_hidden_layers=2,
                num_attention_heads=H,
                intermediate_size=11,
                image_size=(HEIGHT, WIDTH),
                patch_size=SIDE,
                num_channels=C,
                num_labels=CLASSES,
                layer_norm_eps=1e-5,
                hidden_act="gelu",
            )
        )
    randomised(theirs)
    ours = ViT(config()).eval()
    ours.load_state_dict(from_transformers(theirs.state_dict()))
    x = images()
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x).logits)


def from_transformers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = {n.removeprefix("vit."): t for n, t in state.items()}
    converted = {
        "class_token": names["embeddings.cls_token"].flatten(),
        "positions.table": names["embeddings.position_embeddings"][0],
        "project.weight": names["embeddings.patch_embeddings.projection.weight"].flatten(1),
        "project.bias": names["embeddings.patch_embeddings.projection.bias"],
    }
    for kind in ("weight", "bias"):
        converted[f"stack.norm.{kind}"] = names[f"layernorm.{kind}"]
        converted[f"head.{kind}"] = names[f"classifier.{kind}"]
        for i in range(2):
            ours = f"stack.blocks.{i}"
            theirs = next(n.partition(f".{i}.")[0] for n in names if f".{i}." in n) + f".{i}"
            layer = {n[len(theirs) + 1 :]: t for n, t in names.items() if n.startswith(theirs)}
            stacked = [
                t
                for n, t in layer.items()
                if n.endswith(kind) and any(p in n for p in QUERY_KEY_VALUE)
            ]
            converted[f"{ours}.attention.query_key_value.{kind}"] = torch.cat(stacked)
            for own, other in RENAMED.items():
                (found,) = (t for n, t in layer.items() if n in {f"{o}.{kind}" for o in other})
                converted[f"{ours}.{own}.{kind}"] = found
    return converted


QUERY_KEY_VALUE = (".query.", ".key.", ".value.", "q_proj", "k_proj", "v_proj")
RENAMED = {
    "attention.output": ("attention.output.dense", "attention.o_proj"),
    "attention_norm": ("layernorm_before",),
    "feed_forward.expand": ("intermediate.dense", "mlp.fc1"),
    "feed_forward.contract": ("output.dense", "mlp.fc2"),
    "feed_forward_norm": ("layernorm_after",),
}


@pytest.mark.parametrize("pooling", ["class", "mean"])
def test_one_image_does_not_see_the_others(pooling):
    model, x = randomised(ViT(config(pooling=pooling))), images()
    together = model(x)
    assert together.shape == (B, CLASSES)
    torch.testing.assert_close(model(x[1:]), together[1:])


def test_the_mean_is_over_all_patches_and_there_is_no_class_token():
    mean, cls = ViT(config(pooling="mean")), ViT(config())
    assert mean.class_token is None
    assert mean.positions.table.shape == (15, D)
    assert cls.positions.table.shape == (16, D)
    nn.init.zeros_(mean.positions.table)
    x = images()
    mirrored = patches(x, SIDE).flip(1)  # without positions, patches are a set
    expected = mean(x)
    torch.testing.assert_close(mean.head(mean.stack(mean.project(mirrored)).mean(dim=1)), expected)


def test_weights_start_small():
    model = ViT(ViTConfig(width=96))
    assert model.stack.blocks[0].feed_forward.expand.weight.std().item() == pytest.approx(
        0.02, rel=0.05
    )
    assert (model.head.bias == 0).all()


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Tell where the bright quarter of an image is."""
    labels = torch.randint(0, 4, (64,))
    x = torch.randn(64, 1, 8, 8) * 0.1
    for i, label in enumerate(labels.tolist()):
        row, column = divmod(label, 2)
        x[i, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 1
    return x, labels


@pytest.mark.parametrize(
    "model",
    [
        lambda: ViT(ViTConfig(classes=4, width=16, heads=2, layers=1)),
        lambda: CNN(CNNConfig(classes=4, widths=(8,))),
    ],
)
def test_both_learn(model):
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(60):
        x, labels = digits()
        loss = F.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_the_convolutional_network_written_out():
    net = randomised(CNN(CNNConfig((HEIGHT, WIDTH), C, CLASSES, widths=(5,))))
    convolution, x = net.features[0], images()
    h = F.conv2d(x, convolution.weight, convolution.bias, padding=1).clamp(min=0)
    h = h.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))  # (B, 5, 3, 5)
    torch.testing.assert_close(net(x), net.head(h.flatten(1)))
    assert CNN(CNNConfig(widths=()))(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match="4 × 4 do not fill an image of 6 × 10"):
        patches(images(), 4)
    with pytest.raises(ValueError, match="4 does not divide 6 and 10"):
        config(patch_size=4)
    with pytest.raises(ValueError, match="classes must be at least 1"):
        config(classes=0)
    with pytest.raises(ValueError, match="5 does not divide 6"):
        config(heads=5)
    with pytest.raises(ValueError, match="dropout must be within"):
        config(dropout=2.0)
    with pytest.raises(ValueError, match="pooling must be one of .* is 'max'"):
        config(pooling="max")
    with pytest.raises(ValueError, match=r"= \(3, 6, 10\), but have \(2, 3, 10, 6\)"):
        ViT(config())(images().transpose(2, 3))
    with pytest.raises(ValueError, match="8 × 8 cannot be halved 4 times"):
        CNNConfig(widths=(1, 1, 1, 1))
    with pytest.raises(ValueError, match="widths must be at least 1, but is 0"):
        CNNConfig(widths=(0,))
    with pytest.raises(ValueError, match="channels must be at least 1"):
        CNNConfig(channels=0)
