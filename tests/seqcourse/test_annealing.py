import math

import pytest
import torch

from seqcourse.annealing import (
    Annealed,
    autoencoder_loss,
    cyclical_annealing,
    linear_annealing,
    sigmoid_annealing,
    vae_loss,
)
from seqcourse.batching import Padded, ShuffledBatches, pad
from seqcourse.generation import generate
from seqcourse.latent import LatentConfig, SequenceAutoencoder, SequenceVAE, log_likelihood
from seqcourse.training import fit

V, START, END, UNKNOWN = 7, 0, 1, 2
CONFIG = LatentConfig(V, START, END, latent_width=3, embedding_width=5, width=11)
SEQUENCES = [[3, 4, 5, 1], [6, 1], [4, 4, 3, 6, 5, 1]]


def test_annealings_are_those_of_the_papers():
    for step in range(40):
        assert linear_annealing(20)(step) == min(1, step / 20)
        expected = 1 / (1 + math.exp(-0.5 * (step - 20)))
        assert sigmoid_annealing(20, slope=0.5)(step) == pytest.approx(expected)
        within = step % 10 / 10  # τ in the paper, R = 0.4
        expected = min(1.0, within / 0.4)
        assert cyclical_annealing(10, rising=0.4)(step) == pytest.approx(expected)
    assert sigmoid_annealing(20, slope=9.0)(0) < 1e-9  # e^9·20 would overflow further out
    assert sigmoid_annealing(10_000, slope=1.0)(0) == 0
    assert {cyclical_annealing(3, rising=0.0)(step) for step in range(9)} == {1.0}


def test_autoencoder_loss_is_the_mean_over_real_tokens():
    torch.manual_seed(0)
    model, sequences = SequenceAutoencoder(CONFIG).double(), pad(SEQUENCES, value=-100)
    expected = -log_likelihood(model(sequences), sequences).sum() / 12
    torch.testing.assert_close(autoencoder_loss(model, sequences), expected)


def loss(weight=1.0, **options):
    torch.manual_seed(1)
    model = SequenceVAE(CONFIG).double()
    torch.manual_seed(2)
    return vae_loss(model, Annealed(pad(SEQUENCES), weight), **options)


def bound():
    torch.manual_seed(1)
    model = SequenceVAE(CONFIG).double()
    torch.manual_seed(2)
    return model.elbo(pad(SEQUENCES))


def test_with_full_weight_the_loss_is_the_negative_bound():
    torch.testing.assert_close(loss(), -bound().value.mean())
    torch.testing.assert_close(loss(0.0), -bound().reconstruction.mean())
    halfway = -bound().reconstruction.mean() + bound().kl.sum(dim=1).mean() / 2
    torch.testing.assert_close(loss(0.5), halfway)


def test_free_bits_leave_little_kl_unpunished():
    kl = bound().kl.mean(dim=0).detach()
    floor = float(kl.sort().values[1]) + 1e-9  # above two of three dimensions
    expected = -bound().reconstruction.mean() + 2 * floor + kl.max()
    torch.testing.assert_close(loss(free_bits=floor), expected)
    torch.testing.assert_close(loss(free_bits=9.0), -bound().reconstruction.mean() + 27)


def words(count: int) -> Padded:
    drawn = torch.randint(3, V, (count, 3), generator=torch.Generator().manual_seed(0))
    ends = torch.full((count, 1), END)
    return Padded(torch.cat([drawn, ends], dim=1), torch.full((count,), 4))


def test_a_vae_learns_to_write_what_it_read_and_its_kl_tells_how_much():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SequenceVAE(
        LatentConfig(V, START, END, latent_width=4, width=32, word_dropout=0.5, unknown_id=UNKNOWN)
    )
    data, pick, rising = (
        words(300),
        ShuffledBatches(300, batch_size=50, seed=0),
        linear_annealing(600),
    )

    def batch(step):
        rows = torch.as_tensor(pick(step))
        return Annealed(Padded(data.values[rows], data.lengths[rows]), rising(step))

    fit(model, batch, vae_loss, steps=200, learning_rate=1e-2, progress=False)
    model.eval()
    written = generate(model, model.encode(data), 4, temperature=0, stop=END)
    assert (written == data.values)[:, :3].double().mean() > 0.5  # by chance 0.25
    with torch.no_grad():
        assert model.elbo(data).kl.sum(dim=1).mean() > 1


def test_an_autoencoder_learns_to_write_what_it_read():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SequenceAutoencoder(LatentConfig(V, START, END, latent_width=4, width=32))
    data, pick = words(300), ShuffledBatches(300, batch_size=50, seed=0)

    def batch(step):
        rows = torch.as_tensor(pick(step))
        return Padded(data.values[rows], data.lengths[rows])

    fit(model, batch, autoencoder_loss, steps=200, learning_rate=1e-2, progress=False)
    written = generate(model, model.encode(data), 4, temperature=0, stop=END)
    assert (written == data.values)[:, :3].double().mean() > 0.6  # by chance 0.25


def test_bad_input_is_explained(unchecked_shapes):
    with pytest.raises(ValueError, match="steps must be at least 1, but is 0"):
        linear_annealing(0)
    with pytest.raises(ValueError, match="slope must be above 0, but is 0"):
        sigmoid_annealing(10, slope=0)
    with pytest.raises(ValueError, match="period must be at least 1, but is 0"):
        cyclical_annealing(0)
    with pytest.raises(ValueError, match="rising must be within 0 … 1, but is 1.5"):
        cyclical_annealing(5, rising=1.5)
    with pytest.raises(ValueError, match="free_bits must be at least 0 nats, but is -1"):
        loss(free_bits=-1)
