"""The metrics written plainly with numpy and scipy, two-dimensional windows and all: what the benchmark is
measured against, and a second opinion for the tests. Not used otherwise; scipy is no dependency.

Every function takes the infrared, the visible and the fused image, float32 ``H x W`` whole numbers in 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.signal import convolve2d, fftconvolve

Array = NDArray[Any]


def entropy(a: Array, b: Array, f: Array) -> float:  # noqa: ARG001
    """Entropy in bits."""
    shares = np.histogram(np.uint8(np.round(f)), bins=256, range=(0, 256))[0] / f.size
    shares = shares[shares > 0]
    return float(-np.sum(shares * np.log2(shares)))


def standard_deviation(a: Array, b: Array, f: Array) -> float:  # noqa: ARG001
    """Population standard deviation."""
    return float(np.std(f))


def spatial_frequency(a: Array, b: Array, f: Array) -> float:  # noqa: ARG001
    """Root mean square step."""
    return float(np.sqrt(np.mean((f[:, 1:] - f[:, :-1]) ** 2) + np.mean((f[1:] - f[:-1]) ** 2)))


def average_gradient(a: Array, b: Array, f: Array) -> float:  # noqa: ARG001
    """Mean gradient."""
    down, across = np.gradient(f)
    return float(np.mean(np.sqrt((down**2 + across**2) / 2)))


def mutual_information(a: Array, b: Array, f: Array) -> float:
    """Mutual information with both sources in nats."""
    total = 0.0
    for source in (a, b):
        joint = np.histogram2d(f.ravel(), source.ravel(), bins=256, range=((0, 256), (0, 256)))[0] / f.size
        product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        seen = joint > 0
        total += np.sum(joint[seen] * np.log(joint[seen] / product[seen]))
    return float(total)


def _correlation(x: Array, y: Array) -> float:
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def sum_of_correlations_of_differences(a: Array, b: Array, f: Array) -> float:
    """SCD."""
    return _correlation(a, f - b) + _correlation(b, f - a)


def mean_correlation(a: Array, b: Array, f: Array) -> float:
    """CC."""
    return (_correlation(a, f) + _correlation(b, f)) / 2


def mean_square_error(a: Array, b: Array, f: Array) -> float:
    """MSE."""
    return float((np.mean((a - f) ** 2) + np.mean((b - f) ** 2)) / 2)


def peak_signal_to_noise_ratio(a: Array, b: Array, f: Array) -> float:
    """PSNR with the image's own maximum as the peak."""
    return float(10 * np.log10(np.max(f) ** 2 / mean_square_error(a, b, f)))


def visual_information_fidelity(a: Array, b: Array, f: Array) -> float:
    """VIF of both sources."""
    return _vif(a, f) + _vif(b, f)


def _vif(reference: Array, distorted: Array) -> float:
    r, d = reference.astype(np.float64), distorted.astype(np.float64)
    kept = offered = 0.0
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        axis = np.arange(size) - size // 2
        window = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * (size / 5) ** 2))
        window /= window.sum()

        def mean(image: Array, window: Array = window) -> Array:
            filtered: Array = convolve2d(image, window, mode="valid")
            return filtered

        if scale > 1:
            r, d = mean(r)[::2, ::2], mean(d)[::2, ::2]
        r_mean, d_mean = mean(r), mean(d)
        r_var = np.maximum(mean(r * r) - r_mean**2, 0)
        d_var = np.maximum(mean(d * d) - d_mean**2, 0)
        covariance = mean(r * d) - r_mean * d_mean
        gain = covariance / (r_var + 1e-10)
        rest = d_var - gain * covariance
        flat = r_var < 1e-10
        gain[flat], rest[flat], r_var[flat] = 0, d_var[flat], 0
        flat = d_var < 1e-10
        gain[flat], rest[flat] = 0, 0
        reversed_ = gain < 0
        rest[reversed_], gain[reversed_] = d_var[reversed_], 0
        rest = np.maximum(rest, 1e-10)
        kept += np.sum(np.log10(1 + gain**2 * r_var / (rest + 2)))
        offered += np.sum(np.log10(1 + r_var / 2))
    return float(kept / offered) if offered > 0 else 1.0


def edge_preservation(a: Array, b: Array, f: Array) -> float:
    """Qabf."""
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=np.float32)
    down = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], dtype=np.float32)

    def gradient(image: Array) -> tuple[Array, Array]:
        x, y = convolve2d(image, across, mode="same"), convolve2d(image, down, mode="same")
        with np.errstate(divide="ignore", invalid="ignore"):
            angle = np.where(x == 0, np.float32(np.pi / 2), np.arctan(y / x))
        return np.sqrt(x**2 + y**2), angle

    f_strength, f_angle = gradient(f)
    kept = offered = 0.0
    for source in (a, b):
        strength, angle = gradient(source)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(strength > f_strength, f_strength / strength, strength / f_strength)
        ratio = np.where(strength == f_strength, f_strength, ratio)
        likeness = 1 - np.abs(angle - f_angle) / np.float32(np.pi / 2)
        quality = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5))) * 0.9879 / (1 + np.exp(-22 * (likeness - 0.8)))
        kept += float(np.sum(quality * strength))
        offered += float(np.sum(strength))
    return kept / offered


def structural_similarity(a: Array, b: Array, f: Array) -> float:
    """SSIM with both sources, data range 2."""
    c1, c2, sample = 0.02**2, 0.06**2, 49 / 48
    total = 0.0
    for source in (a, b):
        f_mean, mean = uniform_filter(f, 7), uniform_filter(source, 7)
        f_var = sample * (uniform_filter(f * f, 7) - f_mean * f_mean)
        var = sample * (uniform_filter(source * source, 7) - mean * mean)
        covariance = sample * (uniform_filter(f * source, 7) - f_mean * mean)
        above = (2 * f_mean * mean + c1) * (2 * covariance + c2)
        index = above / ((f_mean**2 + mean**2 + c1) * (f_var + var + c2))
        total += float(np.mean(index[3:-3, 3:-3], dtype=np.float64))
    return total


def chen_blum(a: Array, b: Array, f: Array) -> float:
    """Qcb, MATLAB variant, with FFT convolutions: its direct form would take half a minute an image."""
    height, width = f.shape
    down = np.fft.fftshift(np.fft.fftfreq(height))[:, None] * 2 * height / 30
    across = np.fft.fftshift(np.fft.fftfreq(width)) * 2 * width / 30
    r = np.hypot(down, across)
    sensitivity = np.exp(-((r / 15.3870) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2))
    axis = np.arange(-15, 16)
    square = axis[:, None] ** 2 + axis**2
    narrow, wide = (np.exp(-square / (2 * s * s)) / (2 * np.pi * s * s) for s in (2.0, 4.0))

    def contrast(image: Array) -> Array:
        image = image.astype(np.float64)
        image = np.round((image - image.min()) / (image.max() - image.min()) * 255)
        spectrum = np.fft.fftshift(np.fft.fft2(image)) * sensitivity
        seen = np.real(np.fft.ifft2(np.fft.ifftshift(spectrum)))
        local = fftconvolve(seen, narrow, mode="same") / fftconvolve(seen, wide, mode="same") - 1
        masked: Array = np.abs(local) ** 3 / (np.abs(local) ** 2 + 1e-4)
        return masked

    c_a, c_b, c_f = contrast(a), contrast(b), contrast(f)
    q_a = np.minimum(c_a, c_f) / np.maximum(c_a, c_f)
    q_b = np.minimum(c_b, c_f) / np.maximum(c_b, c_f)
    share = c_a**2 / (c_a**2 + c_b**2)
    return float(np.mean(share * q_a + (1 - share) * q_b))


PLAIN: Final[Mapping[str, Callable[[Array, Array, Array], float]]] = {
    "EN": entropy,
    "SD": standard_deviation,
    "SF": spatial_frequency,
    "AG": average_gradient,
    "MI": mutual_information,
    "SCD": sum_of_correlations_of_differences,
    "CC": mean_correlation,
    "MSE": mean_square_error,
    "PSNR": peak_signal_to_noise_ratio,
    "VIF": visual_information_fidelity,
    "Qabf": edge_preservation,
    "SSIM": structural_similarity,
    "Qcb": chen_blum,
}
