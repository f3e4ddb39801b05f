"""DDFM (Zhao et al., ICCV 2023): an unconditional diffusion model, steered towards both images at every step.

Nothing is trained for fusion. Each sampling step turns the noisy image into the clean one that the U-Net
believes in, moves the luminance of that by one step of expectation maximisation towards the two images, and
goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..padding import crop, pad_to_stride
from .diffusion import schedule
from .unet import UNet, UNetConfig

SEED = 3407
TOTAL_VARIATION, PENALTY = 0.5, 0.001
"""lambda and rho of the half-quadratic splitting."""

Progress = Callable[[int, int, str], None]


@dataclass
class Splitting:
    """What expectation maximisation carries from one sampling step to the next.

    Attributes:
        rows: auxiliary variable of the differences along rows, ``B x 1 x H x W``.
        columns: the same along columns.
        tau_a: scale of the difference from the one image, ``B x 1 x 1 x 1``.
        tau_b: scale of the difference from the other.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    tau_a: torch.Tensor
    tau_b: torch.Tensor

    @classmethod
    def start(cls, image: torch.Tensor) -> Splitting:
        """Return the state before the first step for ``B x 1 x H x W`` images."""
        one = torch.ones_like(image[:, :, :1, :1])
        return cls(torch.zeros_like(image), torch.zeros_like(image), one, one)


def maximise(
    fused: torch.Tensor, first: torch.Tensor, second: torch.Tensor, state: Splitting
) -> torch.Tensor:
    """One step of expectation maximisation; changes ``state``.

    Args:
        fused: luminance of the present estimate, ``B x 1 x H x W``.
        first: the image called I (infrared) in the paper, -1..1.
        second: the image called V (visible), -1..1.
        state: of the steps before.

    Returns:
        The new luminance.
    """
    difference = first - second
    x = fused - second
    b = (2 / state.tau_b / (x.square() + 1e-6)).sqrt()
    a = (2 / state.tau_a / (difference - x + 1e-6).square()).sqrt()
    b = torch.minimum(b, 2 * a)
    state.tau_b = (1 / (b + 1e-10) + state.tau_b / 2).mean(dim=(1, 2, 3), keepdim=True)
    state.tau_a = (1 / (a + 1e-10) + state.tau_a / 2).mean(dim=(1, 2, 3), keepdim=True)
    smooth = _deconvolve(difference - x, state)
    shrink = PENALTY / (2 * TOTAL_VARIATION + PENALTY)
    state.rows = shrink * _forward_difference(smooth, -1)
    state.columns = shrink * _forward_difference(smooth, -2)
    x = (2 * a * difference + PENALTY * (difference - smooth)) / (2 * a + 2 * b + PENALTY)
    return first - x


def _deconvolve(image: torch.Tensor, state: Splitting) -> torch.Tensor:
    """Solve for the image whose differences are the auxiliary variables, in the Fourier domain."""
    height, width = image.shape[-2:]
    # Transfer functions of the kernels [1, -1] and its transpose, centred on the second tap.
    columns = torch.fft.rfftfreq(width, device=image.device)
    lines = torch.fft.fftfreq(height, device=image.device)
    along_row = (torch.exp(2j * torch.pi * columns) - 1)[None, :]
    along_column = (torch.exp(2j * torch.pi * lines) - 1)[:, None]
    spectrum = (
        torch.fft.rfft2(image)
        + along_row.conj() * torch.fft.rfft2(state.rows)
        + along_column.conj() * torch.fft.rfft2(state.columns)
    )
    return torch.fft.irfft2(
        spectrum / (1 + along_row.abs().square() + along_column.abs().square()), s=(height, width)
    )


def _forward_difference(image: torch.Tensor, dim: int) -> torch.Tensor:
    """Each pixel less the next one along ``dim``; the last one less itself, if there is no next."""
    size = image.shape[dim]
    following = torch.cat((image.narrow(dim, 1, size - 1), image.narrow(dim, size - 1, 1)), dim)
    return image - following


# Limited-range BT.601 on 0..255, divided by 255; the sampler applies it to images in -1..1 as they are.
_TO_YCBCR = (
    (65.481, 128.553, 24.966),
    (-37.797, -74.203, 112.0),
    (112.0, -93.786, -18.214),
)
_OFFSET = (16.0, 128.0, 128.0)


def to_limited_range(rgb: torch.Tensor) -> torch.Tensor:
    """``B x 3 x H x W`` RGB to Y, Cb, Cr of the limited range, over 255."""
    matrix = rgb.new_tensor(_TO_YCBCR) / 255
    return torch.einsum("yc,bchw->byhw", matrix, rgb) + rgb.new_tensor(_OFFSET)[:, None, None] / 255


def from_limited_range(planes: torch.Tensor) -> torch.Tensor:
    """Undo :func:`to_limited_range`."""
    inverse = torch.linalg.inv(torch.tensor(_TO_YCBCR, dtype=torch.float64) / 255).to(planes)
    return torch.einsum("cy,byhw->bchw", inverse, planes - planes.new_tensor(_OFFSET)[:, None, None] / 255)


class DDFM(nn.Module):
    """The sampler around the U-Net.

    Args:
        config: size of the U-Net; None: the published one.
        steps: sampling steps, 2 to 1000; the paper uses 100.
        swapped: take the visible image for the one called infrared and the other way round, as the published
            script does; False: as the paper says.
    """

    def __init__(self, config: UNetConfig | None = None, *, steps: int = 100, swapped: bool = True) -> None:
        super().__init__()
        self.unet = UNet(config)
        self.steps, self.swapped = steps, swapped

    @property
    def repeats(self) -> int:
        """How often the work of one call on the ``meta`` device, which stops after a step, is done."""
        return self.steps

    def sample(
        self,
        first: torch.Tensor,
        second: torch.Tensor,
        noise: torch.Tensor,
        progress: Progress | None = None,
    ) -> torch.Tensor:
        """Sample an image that keeps to both.

        Args:
            first: the image called I (infrared) in the paper, ``B x 1 x H x W`` in [-1, 1], sides multiples
                of the U-Net's stride.
            second: the image called V (visible), of the same shape.
            noise: ``B x 3 x H x W`` to start from.
            progress: called with (steps done, all steps, message).

        Returns:
            RGB ``B x 3 x H x W``, about -1.6 to 1.1.
        """
        state, x = Splitting.start(first), noise
        steps = schedule(self.steps)
        if x.is_meta:
            steps = steps[:1]
        for done, step in enumerate(steps, start=1):
            timesteps = torch.full((len(x),), step.timestep, device=x.device)
            clean = step.clean(x, self.unet(x, timesteps)[:, :3].float()).clamp(-1, 1)
            planes = to_limited_range(clean)
            luminance = maximise(planes[:, :1], first, second, state)
            clean = from_limited_range(torch.cat((luminance, planes[:, 1:]), dim=1))
            x = step.advance(x, clean)
            if progress is not None:
                progress(done, self.steps, f"sampling step {done} of {self.steps}")
        return x

    def forward(
        self, visible: torch.Tensor, infrared: torch.Tensor, progress: Progress | None = None
    ) -> torch.Tensor:
        """Fuse Y and infrared, both ``B x 1 x H x W`` in [0, 1], any size.

        The noise to start from depends on the size of the image alone: every image of a batch gets the same,
        on every device.

        Returns:
            Luminance on the scale of the inputs, neither clamped nor stretched.
        """
        height, width = visible.shape[-2:]
        stride = self.unet.config.stride
        visible, infrared = pad_to_stride(2 * visible - 1, stride), pad_to_stride(2 * infrared - 1, stride)
        first, second = (visible, infrared) if self.swapped else (infrared, visible)
        generator = torch.Generator().manual_seed(SEED)
        noise = torch.randn(1, 3, *visible.shape[-2:], generator=generator).to(visible)
        rgb = self.sample(first, second, noise.expand(len(visible), -1, -1, -1), progress)
        return crop((to_limited_range(rgb)[:, :1] + 1) / 2, height, width)
