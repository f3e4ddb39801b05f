"""A fusion method in a package of its own."""

import torch

from regionfuse.fusion.card import MethodCard
from regionfuse.fusion.contract import FusionMethod


class Brighter(FusionMethod):
    """Wherever infrared is brighter, the brightness rises to it."""

    card = MethodCard(name="brighter", title="Brighter", kind="classical", citation="A. Author, 2025")

    def fuse(self, infrared, visible):
        return torch.maximum(infrared, visible)
