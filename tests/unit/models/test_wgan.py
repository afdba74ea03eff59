from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from skymill.config.generator import WganConfig
from skymill.models.vae import Seen
from skymill.models.wgan import (
    MODES,
    RINGS,
    VIEW_PX,
    VIEW_RE,
    CoarseHeads,
    RingModes,
    Wgan,
    WganCritic,
    coarseness_at,
    gradient_penalty,
    view,
)

SMALL = {
    "kind": "wgan",
    "latent": 5,
    "widths": (8, 8),
    "dense": 16,
    "canvas_px": 32,
    "canvas_widths": (8, 8, 8, 8),
    "style": 8,
    "critic_widths": (4, 6, 8),
    "critic_dense": 8,
}
SIDE = 64


def settings(**changes) -> WganConfig:
    return WganConfig(**{**SMALL, **changes})


@pytest.fixture
def network() -> Wgan:
    """A network whose looks and canvases depend on all latent numbers, with a PSF of one point."""
    torch.manual_seed(5)
    made = Wgan(settings(), SIDE).eval()
    for layer in (made.style.head, made.decoder.head):
        nn.init.normal_(layer.weight, std=0.1)
    return made


def gaussian(sigma_px: float, flux: float, offset: tuple[float, float] = (0.0, 0.0)) -> Seen:
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    light = np.exp(-0.5 * ((x - offset[0]) ** 2 + (y - offset[1]) ** 2) / sigma_px**2)
    image = torch.tensor(flux * light / (2 * np.pi * sigma_px**2), dtype=torch.float32)[None, None]
    # So large that the PSF counts for nothing.
    known = {"noise": 1.0, "flux": flux, "re_px": sigma_px * np.sqrt(2 * np.log(2))}
    columns = {name: torch.tensor([value], dtype=torch.float32) for name, value in known.items()}
    return Seen(image=image, offset=torch.tensor([offset]), **columns)


@torch.no_grad()
def test_flux_and_size_are_those_that_are_asked_for(network):
    look = network.look(torch.randn(6, 5), torch.full((6,), 500.0), torch.full((6,), 6.0))
    image = network.decode(
        0.3 * look, torch.full((6,), 500.0), torch.full((6,), 6.0), torch.zeros(6, 2), 160
    )[:, 0]
    light = image.flatten(1).sort(dim=1, descending=True).values.cumsum(dim=1)
    radius = torch.sqrt((light < 250).sum(dim=1) / torch.pi)

    torch.testing.assert_close(image.sum(dim=(1, 2)), torch.full((6,), 500.0), rtol=0.02, atol=0)
    torch.testing.assert_close(radius, torch.full((6,), 6.0), rtol=0.03, atol=0)


def test_a_style_that_has_learned_nothing_changes_nothing():
    style, latent = Wgan(settings(), SIDE).style, torch.randn(7, 5)

    assert torch.equal(style(latent, torch.full((7,), 30.0), torch.ones(7)), latent)


def test_no_direction_is_preferred(network):
    latent, turned = torch.randn(7, 5), torch.randn(7, 5)
    turned[:, 2:] = latent[:, 2:]
    turned[:, :2] = torch.stack([-latent[:, 1], latent[:, 0]], dim=1)
    flux, re_px = torch.full((7,), 30.0), torch.full((7,), 2.0)
    one, other = network.style(latent, flux, re_px), network.style(turned, flux, re_px)

    torch.testing.assert_close(other[:, :2], torch.stack([-one[:, 1], one[:, 0]], dim=1))
    torch.testing.assert_close(other[:, 2:], one[:, 2:])
    assert not torch.allclose(one, latent)


@torch.no_grad()
def test_a_decoder_starts_from_sersic_profiles():
    decoder, look = Wgan(settings(), SIDE).decoder, torch.zeros(3, 5)
    look[:, 2] = torch.tensor([2 * np.log(0.5), 0.0, 2 * np.log(2.0)])  # index 1, 2, 4
    canvas = decoder(look)
    profile = canvas[:, 16, 16:] - canvas[:, 16, 16:17]
    radius = decoder.canvas.place[16, 16:].norm(dim=-1)

    for number, (index, b) in enumerate(((1, 1.6667), (2, 3.6667), (4, 7.6667))):
        expected = -b * (radius ** (1 / index) - radius[0] ** (1 / index))
        torch.testing.assert_close(profile[number], expected, rtol=2e-3, atol=2e-3)
    # b is that of the half-light radius but for a few percent.
    assert decoder.canvas.half_light_radius(canvas).numpy() == pytest.approx(1, abs=0.15)


@torch.no_grad()
def test_how_lopsided_a_galaxy_is_is_one_number_of_its_look(network):
    decoder, look = network.decoder, torch.randn(4, 5)

    def odd():
        canvas = decoder(look)
        return (canvas - canvas.flip(-2, -1)) / 2

    assert odd().abs().max() < 1e-4  # before anything is learned
    decoder.lopsidedness.bias.fill_(0.5)
    half = odd()
    decoder.lopsidedness.bias.fill_(1.0)

    assert half.abs().max() > 1e-3
    torch.testing.assert_close(odd(), 2 * half, rtol=1e-3, atol=1e-4)


def elongated(angle: float, shift: float = 0.0) -> torch.Tensor:
    """A view of an ellipse along some angle, off the centre by some of its half-light radii."""
    axis = torch.linspace(-VIEW_RE, VIEW_RE, VIEW_PX)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    along = np.cos(angle) * x + np.sin(angle) * y - shift
    across = np.cos(angle) * y - np.sin(angle) * x
    return torch.exp(-0.5 * (along**2 / 2 + across**2)).expand(1, 2, -1, -1)


def test_rings_know_light_lopsidedness_and_elongation():
    modes = RingModes()

    def numbers(views):
        return modes(views).unflatten(1, (2, RINGS, 1 + len(MODES)))[0, 0].T  # (light and modes, rings)

    flat, ellipse = numbers(torch.ones(1, 2, VIEW_PX, VIEW_PX)), numbers(elongated(0.3))
    off = numbers(elongated(0.3, shift=0.5))
    pixels = (modes.maps[:, :: 1 + 2 * len(MODES)] > 0).sum(dim=0)

    torch.testing.assert_close(flat[0], pixels.sqrt())
    assert flat[1:, 1:].max() < 1e-4
    assert (ellipse[0].diff() < 0)[2:].all() and ellipse[1].max() < 1e-4 and ellipse[2].max() > 0.5
    assert off[1].max() > 0.5
    # Whatever the direction.
    torch.testing.assert_close(numbers(elongated(1.4, 0.5)), off, rtol=0.05, atol=0.05)


def test_rings_change_no_faster_than_what_is_seen():
    views = torch.randn(1, 2, VIEW_PX, VIEW_PX, requires_grad=True)
    for number in RingModes()(views)[0]:
        (slope,) = torch.autograd.grad(number, views, retain_graph=True)
        assert slope.norm().item() <= 1 + 1e-4


def test_what_is_recognised_can_be_drawn(network):
    seen = gaussian(4.0, 2000.0)
    mean, _ = network.encoder(seen)

    torch.testing.assert_close(network.recognised(seen), network.style(mean, seen.flux, seen.re_px))


def test_critics_see_all_galaxies_alike():
    plain, brighter, moved, larger = (
        view(seen)
        for seen in (
            gaussian(4.0, 100.0),
            gaussian(4.0, 7000.0),
            gaussian(4.0, 100.0, (0.4, -0.3)),
            gaussian(8.0, 100.0),
        )
    )
    middle = np.s_[0, 1, VIEW_PX // 2 - 1 : VIEW_PX // 2 + 1, VIEW_PX // 2 - 1 : VIEW_PX // 2 + 1]
    edge = VIEW_RE / (VIEW_PX - 1)  # of the four middle points, seen half-light radii
    sigma_re = 1 / np.sqrt(2 * np.log(2) + (1.5 / 4) ** 2)
    brightness = np.exp(-(edge**2) / sigma_re**2) / (2 * np.pi * sigma_re**2)

    assert plain.shape == (1, 2, VIEW_PX, VIEW_PX)
    np.testing.assert_allclose(plain[middle].numpy(), np.arcsinh(brightness / 0.03), rtol=0.01)
    torch.testing.assert_close(brighter, plain, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(moved, plain, rtol=0.02, atol=0.02)
    # But for the PSF, of which there is less in larger ones.
    torch.testing.assert_close(larger, plain, rtol=0.2, atol=0.1)


class Linear(nn.Module):
    """A critic of known slope."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((2, 8, 8), slope / np.sqrt(128)))

    def forward(self, views, condition, coarseness=0.0):
        return (self.slope * views).sum(dim=(1, 2, 3))


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.25, 0.5625)])
def test_the_penalty_is_on_the_distance_of_the_slope_from_one(slope, penalty):
    critic, views = Linear(slope), torch.randn(2, 5, 2, 8, 8)
    found = gradient_penalty(critic, *views, torch.zeros(5, 5), torch.rand(5))
    found.backward()

    assert found.item() == pytest.approx(penalty, abs=1e-5)
    # It pushes the slope towards one.
    assert np.sign(critic.slope.grad.sum().item()) == np.sign(round(slope - 1, 6)) or slope == 1


def test_the_slope_is_measured_between_true_and_drawn_galaxies():
    places = []

    class Watching(Linear):
        def forward(self, views, condition, coarseness=0.0):
            places.append(views.detach())
            return super().forward(views, condition)

    true, drawn = torch.ones(3, 2, 8, 8), torch.zeros(3, 2, 8, 8)
    gradient_penalty(Watching(1.0), true, drawn, torch.zeros(3, 5), torch.tensor([0.0, 0.25, 1.0]))

    torch.testing.assert_close(places[0][:, 0, 0, 0], torch.tensor([0.0, 0.25, 1.0]))


def test_detail_comes_step_by_step():
    found = [coarseness_at(eighth / 8) for eighth in (0, 1, 1.5, 2, 3, 3.5, 4, 8)]

    assert found == [2, 2, 1.5, 1, 1, 0.5, 0, 0]


@torch.no_grad()
def test_a_growing_canvas_ends_as_the_decoder_s(network):
    heads, look = CoarseHeads(settings()), torch.randn(3, 5)
    for head in heads.heads:
        nn.init.normal_(head.weight, std=0.1)

    def canvas(coarseness):
        return heads.canvas(network.decoder, look, coarseness)

    torch.testing.assert_close(canvas(0.0), network.decoder(look))
    torch.testing.assert_close(canvas(1.001), canvas(1.0), rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(canvas(0.999), canvas(1.0), rtol=1e-2, atol=1e-2)
    assert not torch.allclose(canvas(0.0), canvas(1.0), atol=1e-2)
    assert not torch.allclose(canvas(1.0), canvas(2.0), atol=1e-2)


@torch.no_grad()
def test_a_young_critic_sees_no_detail():
    torch.manual_seed(1)
    critic, views = WganCritic(settings(progressive=True)), torch.randn(2, 2, VIEW_PX, VIEW_PX)
    pattern = 1.0 - 2.0 * (torch.arange(VIEW_PX)[:, None] + torch.arange(VIEW_PX)[None, :]).remainder(2)
    verdicts = {
        level: [critic(image, torch.zeros(2, 5), level) for image in (views, views + 3 * pattern)]
        for level in (0.0, 0.5, 1.0, 2.0)
    }

    for level in (1.0, 2.0):
        torch.testing.assert_close(*verdicts[level])
    for level in (0.0, 0.5):
        assert not torch.allclose(*verdicts[level], atol=1e-3)
