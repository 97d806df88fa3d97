import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import cross_entropy

from seqcourse.batching import Padded, pad
from seqcourse.generation import generate
from seqcourse.latent import (
    ELBO,
    Gaussian,
    LatentConfig,
    SequenceAutoencoder,
    SequenceVAE,
    interpolate,
    interpolate_spherical,
    kl_from_standard_normal,
    log_likelihood,
    reparameterise,
)
from seqcourse.stepping import StepModel

V, START, END, UNKNOWN, Z = 7, 0, 1, 2, 3
CONFIG = LatentConfig(V, START, END, latent_width=Z, embedding_width=5, width=11)
SEQUENCES = [[3, 4, 5, 1], [6, 1], [4, 4, 3, 6, 5, 1]]
CELLS = [{"cell": "gru"}, {"cell": "lstm", "layers": 2}, {"cell": "rnn"}]


def build(kind=SequenceVAE, **options):
    torch.manual_seed(0)
    return kind(replace(CONFIG, **options)).double().eval()


def gaussian(rows=5) -> Gaussian:
    generator = torch.Generator().manual_seed(0)
    return Gaussian(
        *(torch.randn(rows, Z, generator=generator, dtype=torch.float64) for _ in range(2))
    )


# --- the normal distribution ---


def test_kl_equals_torch_s():
    mean, log_variance = gaussian()
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_from_standard_normal(Gaussian(mean, log_variance)), expected)


def test_kl_is_never_negative_and_zero_for_the_prior_alone():
    assert (kl_from_standard_normal(gaussian(1_000)) > 0).all()
    zero = torch.zeros(1, Z)
    assert (kl_from_standard_normal(Gaussian(zero, zero)) == 0).all()
    small = torch.linspace(1e-5, 1e-3, 101)[:, None]
    for log_variance in (small, -small):  # exp(x) - 1 - x would round to 0 or below
        assert (kl_from_standard_normal(Gaussian(0 * small, log_variance)) > 0).all()


def test_reparameterising_draws_from_the_distribution_with_gradients():
    mean, log_variance = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[0.0, 2.0, -4.0]])
    mean.requires_grad_()
    log_variance.requires_grad_()
    many = Gaussian(mean.expand(40_000, Z), log_variance.expand(40_000, Z))
    drawn = reparameterise(many, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(dim=0), mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.var(dim=0), log_variance[0].exp(), rtol=0.05, atol=0)
    drawn.square().mean(dim=0).sum().backward()  # E[z²] = μ² + σ²
    torch.testing.assert_close(mean.grad, 2 * mean.detach(), atol=0.1, rtol=0)
    expected = log_variance.detach().exp()
    torch.testing.assert_close(log_variance.grad, expected, rtol=0.05, atol=0.01)


# --- the models ---


@pytest.mark.parametrize("kind", [SequenceAutoencoder, SequenceVAE])
@pytest.mark.parametrize("options", CELLS)
def test_a_batch_gives_what_its_rows_give_alone_whatever_the_padding_holds(kind, options):
    model = build(kind, **options)
    assert isinstance(model, StepModel)
    together, latents = model(pad(SEQUENCES, value=-100)), model.encode(pad(SEQUENCES, value=9))
    assert latents.shape == (3, Z)
    for row, tokens in enumerate(SEQUENCES):
        torch.testing.assert_close(model.encode(pad([tokens]))[0], latents[row])
        torch.testing.assert_close(model(pad([tokens]))[0], together[row, : len(tokens)])


@pytest.mark.parametrize("options", CELLS)
def test_writing_step_by_step_is_reading_all_at_once(options):
    model, sequences = build(**options), pad(SEQUENCES)
    latents, ids = model.encode(sequences), model.reads(sequences)
    expected = model.decode(latents, ids)
    logits, state = model.begin(latents)
    for t in range(1, ids.shape[1]):
        torch.testing.assert_close(logits, expected[:, t - 1])
        logits, state = model.step(ids[:, t], state)
    rows = torch.tensor([2, 0, 2])
    again, _ = model.step(ids[rows, 0], model.reorder(state, rows))
    torch.testing.assert_close(again, model.step(ids[:, 0], state)[0][rows])
    assert generate(model, latents, 5, temperature=0, stop=END).shape == (3, 5)


@pytest.mark.parametrize("options", CELLS)
def test_each_layer_and_part_of_the_first_state_comes_from_z(options):
    model = build(**options)
    latents = torch.randn(2, Z, dtype=torch.float64)
    state = model._start(latents)
    flat = torch.tanh(model.from_latent(latents))
    torch.testing.assert_close(
        torch.cat([p.transpose(0, 1).flatten(1) for p in state.recurrent], 1), flat
    )
    assert torch.equal(state.context, latents)


@pytest.mark.parametrize("kind", [SequenceAutoencoder, SequenceVAE])
def test_every_parameter_learns(kind):
    model = build(kind)
    (model(pad(SEQUENCES)).logsumexp(dim=-1).sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    if kind is SequenceVAE:
        model.zero_grad()
        model.elbo(pad(SEQUENCES)).value.sum().backward()
        assert all((half != 0).any() for half in model.to_latent.weight.grad.chunk(2))


def test_word_dropout_hides_tokens_in_training_only_and_never_the_start():
    model = build(word_dropout=0.4, unknown_id=UNKNOWN)
    ids = torch.full((200, 50), 5)
    ids[:, 0] = START
    assert torch.equal(model._hide_words(ids), ids)
    model.train()
    torch.manual_seed(0)
    hidden = model._hide_words(ids)
    assert (hidden[:, 0] == START).all()
    assert set(hidden[:, 1:].unique().tolist()) == {5, UNKNOWN}
    assert (hidden[:, 1:] == UNKNOWN).double().mean() == pytest.approx(0.4, abs=0.02)
    assert torch.equal(build(unknown_id=UNKNOWN).train()._hide_words(ids), ids)


def test_log_likelihood_is_the_sum_over_real_tokens():
    sequences, model = pad(SEQUENCES, value=-7), build()
    logits = model(sequences)
    for row, tokens in enumerate(SEQUENCES):
        nats = cross_entropy(logits[row, : len(tokens)], torch.tensor(tokens), reduction="sum")
        torch.testing.assert_close(log_likelihood(logits, sequences)[row], -nats)


# --- the bound ---


def exact_log_likelihood(model, sequences):
    """ln of the integral of p(x | z) p(z) over a line of z, summed on a fine grid."""
    z = torch.linspace(-7, 7, 281, dtype=torch.float64)
    prior = Normal(0.0, 1.0).log_prob(z) + math.log(14 / 280)
    result = []
    for values, length in zip(sequences.values, sequences.lengths, strict=True):
        rows = Padded(values.expand(len(z), -1), length.expand(len(z)))
        logits = model.decode(z[:, None], model.reads(rows))
        result.append(torch.logsumexp(log_likelihood(logits, rows) + prior, dim=0))
    return torch.stack(result)


def repeated(sequences: Padded, times: int) -> Padded:
    return Padded(sequences.values.repeat(times, 1), sequences.lengths.repeat(times))


@torch.no_grad()
def test_the_elbo_is_below_the_likelihood_which_importance_weighting_finds():
    model, sequences = build(latent_width=1), pad(SEQUENCES)
    model.to_latent.weight *= 3  # let the posteriors differ from the prior, and z matter
    model.from_latent.weight *= 5
    exact = exact_log_likelihood(model, sequences)
    torch.manual_seed(0)
    many = repeated(sequences, 500)
    elbo = model.elbo(many).value.view(500, 3).mean(dim=0)
    five = model.estimate_log_likelihood(many, samples=5).view(500, 3).mean(dim=0)
    most = model.estimate_log_likelihood(many, samples=20).view(500, 3)
    assert (elbo < five).all()
    assert (five < exact).all()
    all_draws = torch.logsumexp(most, dim=0) - math.log(500)  # as if 10 000 draws at once
    torch.testing.assert_close(all_draws, exact, atol=0.02, rtol=0)


@torch.no_grad()
def test_one_draw_of_importance_weighting_is_the_elbo_on_average():
    model, sequences = build(), repeated(pad(SEQUENCES), 1_500)
    torch.manual_seed(0)
    one = model.estimate_log_likelihood(sequences, samples=1).view(1_500, 3)
    elbo = model.elbo(sequences).value.view(1_500, 3)
    torch.testing.assert_close(one.mean(dim=0), elbo.mean(dim=0), atol=0.08, rtol=0)


def test_the_bound_is_reconstruction_less_kl_and_encode_is_the_mean():
    bound = ELBO(torch.tensor([-2.0, -3.0]), torch.tensor([[0.5, 0.25], [0.0, 1.0]]))
    assert bound.value.tolist() == [-2.75, -4.0]
    model, sequences = build(), pad(SEQUENCES)
    posterior = model.posterior(sequences)
    assert torch.equal(model.encode(sequences), posterior.mean)
    assert torch.equal(model.elbo(sequences).kl, kl_from_standard_normal(posterior))


def test_the_prior_is_standard_normal_and_reproducible():
    model = build()
    one, two = (
        model.sample_prior(20_000, generator=torch.Generator().manual_seed(5)) for _ in range(2)
    )
    assert torch.equal(one, two)
    assert one.shape == (20_000, Z)
    assert one.dtype == torch.float64
    assert one.mean().item() == pytest.approx(0, abs=0.02)
    assert one.var().item() == pytest.approx(1, abs=0.02)


# --- between two points ---


@pytest.mark.parametrize("way", [interpolate, interpolate_spherical])
def test_interpolation_keeps_its_ends_and_takes_equal_steps(way):
    first, last = gaussian(2).mean
    points = way(first, last, 13)
    assert points.shape == (13, Z)
    torch.testing.assert_close(points[0], first)
    torch.testing.assert_close(points[-1], last)
    torch.testing.assert_close(way(last, first, 13), points.flip(0))


def test_the_arc_stays_on_the_sphere_and_turns_by_equal_angles():
    first, last = (v / v.norm() for v in gaussian(2).mean)
    points = interpolate_spherical(first, last, 7)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(7).double())
    cosines = (points[1:] * points[:-1]).sum(dim=1)
    torch.testing.assert_close(cosines, cosines[:1].expand(6))
    assert interpolate(first, last, 3)[1].norm() < 0.99


def test_vectors_on_one_line_are_joined_by_a_straight_line():
    one = torch.tensor([1.0, 1.0])
    for other in (one, 3 * one, -one, 0 * one):
        torch.testing.assert_close(interpolate_spherical(one, other, 5), interpolate(one, other, 5))


# --- bad input ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_id": V}, "start_id must be within the vocabulary's ids, 0 … 6, but is 7"),
        ({"end_id": -1}, "end_id must be within the vocabulary's ids, 0 … 6, but is -1"),
        ({"latent_width": 0}, "latent_width must be at least 1, but is 0"),
        ({"cell": "sru"}, "cell must be one of .*, but is 'sru'"),
        ({"dropout": -1}, "dropout must be within 0 … 1, but is -1"),
        ({"word_dropout": 2}, "word_dropout must be within 0 … 1, but is 2"),
        ({"word_dropout": 0.5}, "word_dropout is 0.5, but there is no unknown_id"),
        ({"unknown_id": 9}, "unknown_id must be within the vocabulary's ids, 0 … 6, but is 9"),
    ],
)
def test_bad_options_are_explained(options, message, unchecked_shapes):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **options)


def test_bad_input_is_explained(unchecked_shapes):
    model = build()
    empty = Padded(torch.zeros(2, 3, dtype=torch.long), torch.tensor([0, 3]))
    for read in (model.encode, model.elbo, model.posterior, model.estimate_log_likelihood):
        with pytest.raises(ValueError, match="row 0 of source is empty"):
            read(empty)
    with pytest.raises(ValueError, match="samples must be at least 1, but is 0"):
        model.estimate_log_likelihood(pad(SEQUENCES), samples=0)
    with pytest.raises(ValueError, match=r"each of the 3 sources, but has shape \(2, 4\)"):
        model.decode(torch.zeros(3, Z).double(), torch.zeros(2, 4, dtype=torch.long))
    for way in (interpolate, interpolate_spherical):
        with pytest.raises(ValueError, match="count must be at least 2, for both ends, but is 1"):
            way(torch.ones(Z), torch.zeros(Z), 1)
