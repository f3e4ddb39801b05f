"""PIAFusion's recipe: the loss worked out by hand, the schedule, the settings, a training and its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from regionfuse.datasets.errors import ConfigError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.load import pair_folders
from regionfuse.fusion.registry import create
from regionfuse.fusion.training.gradients import sobel_l1
from regionfuse.fusion.training.options import TrainingOptions
from regionfuse.fusion.training.piafusion import PIAFusionRecipe
from regionfuse.fusion.training.recipe import Batch
from regionfuse.fusion.training.trainer import train


class Constant(torch.nn.Module):
    """Returns the infrared image."""

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        return infrared


def options(**values: object) -> TrainingOptions:
    return TrainingOptions(method="piafusion", preset="base", warmup_epochs=0, **values)  # type: ignore[arg-type]


def test_sobel_pads_with_zeros() -> None:
    image = torch.ones(1, 1, 5, 5)
    gradient = sobel_l1(image)[0, 0]
    assert gradient[2, 2] == 0
    assert gradient[0, 2] == 4
    assert gradient[0, 0] == 3 + 3


def test_loss_of_flat_images_by_hand() -> None:
    visible, infrared = torch.full((1, 1, 32, 32), 0.75), torch.full((1, 1, 32, 32), 0.25)
    batch = Batch(visible, infrared, visible.expand(-1, 3, -1, -1))
    losses = PIAFusionRecipe(options()).step(Constant(), batch, 0)
    # F = infrared: the first intensity term is 0, the second 0.5 * 0.5
    assert losses["intensity"].item() == pytest.approx(0.25)
    assert losses["maximum"].item() == pytest.approx(0.5)
    border = sobel_l1(visible).mean().item() - sobel_l1(infrared).mean().item()
    assert losses["gradient"].item() == pytest.approx(border, rel=1e-5)
    assert losses["total"].item() == pytest.approx(3 * 0.25 + 7 * 0.5 + 50 * border, rel=1e-5)


def test_rate_is_flat_then_falls_in_steps() -> None:
    recipe = PIAFusionRecipe(options(epochs=5))
    factors = [recipe.schedule(epoch * 100 + 99, 100) for epoch in range(5)]  # beyond the rise at the start
    assert factors == pytest.approx([1, 1, 1, 2 / 3, 1 / 3])


@pytest.mark.parametrize("network", [{"encoder": "resnet"}, {"width": 3}])
def test_unknown_settings_are_refused(network: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="piafusion"):
        PIAFusionRecipe(options(network=network))


@pytest.mark.parametrize("encoder", ["convolution", "xrestormer"])
def test_training_leaves_weights_that_fuse(tmp_path: Path, encoder: str) -> None:
    rng = np.random.default_rng(0)
    for folder, shape in (("vi", (40, 48, 3)), ("ir", (40, 48))):
        write_png(tmp_path / folder / "a.png", rng.integers(0, 256, shape).astype(np.uint8))
    pairs = pair_folders(tmp_path / "ir", tmp_path / "vi").pairs
    settings = options(
        epochs=1, steps_per_epoch=1, batch_size=1, patch=16, device="cpu", network={"encoder": encoder}
    )
    result = train(settings, pairs, (), tmp_path / "out")
    method = create("piafusion", weights=result.weights)
    fused = method.fuse(torch.rand(1, 1, 20, 28), torch.rand(1, 1, 20, 28))
    assert fused.shape == (1, 1, 20, 28)
    assert result.card["encoder"] == encoder
    assert result.card["illumination"] is False


def test_classifier_weighs_the_losses(shared: Path) -> None:
    file = shared / "data" / "weights" / "PIAFusion_best_cls.pth"
    recipe = PIAFusionRecipe(options(network={"illumination": str(file)}))
    night = recipe.visible_weight(torch.full((1, 3, 64, 64), 0.03)).item()
    assert 0 <= night <= 1
    assert night != 0.5
