"""The catalogue of experiments. Importing it imports neither torch nor pandas: the command line lists it."""

from __future__ import annotations

import difflib

from ...datasets.errors import ConfigError
from . import paper_values as paper
from .records import Experiment, Variant

ALWAYS = 100_000
"""As ``load_epochs``: more epochs than any training has."""
DEFAULT = Variant("default")

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "table1",
        "Region size",
        "The paper finds 48 x 48 best in all five metrics; 16 x 16 runs out of memory on its 24 GB GPU.",
        "trainings",
        "R",
        paper.REGION_SIZE,
        tuple(Variant(str(side), {"region": side}, name=f"region {side}") for side in (64, 48, 32, 16)),
        "48",
    ),
    Experiment(
        "table2",
        "Weight of the gradient loss",
        "The paper finds the quality stable over a wide range of lambda, with the best mean rank at 5.",
        "trainings",
        "λ",
        paper.LAMBDA,
        tuple(
            Variant(f"{weight:g}", {"lambda_gradient": float(weight)}, name=f"lambda {weight:g}")
            for weight in (1, 2, 5, 10, 20)
        ),
        "5",
        ranks=True,
    ),
    Experiment(
        "table3",
        "Weight of the load-balancing loss",
        "The paper finds mu = 5 best in all five metrics.",
        "trainings",
        "μ",
        paper.MU,
        tuple(
            Variant(f"{weight:g}", {"mu_load": float(weight)}, name=f"mu {weight:g}")
            for weight in (0.5, 1, 5, 10, 50)
        ),
        "5",
    ),
    Experiment(
        "table4",
        "Efficiency",
        "The paper reports 2.82 M parameters, 455.82 G multiply-accumulates (which it calls FLOPs) and "
        "168.87 ms for RegionFuse at 480 x 640, comparable with Transformer-based methods that use plain "
        "multi-head attention.",
        "efficiency",
        "Method",
        paper.EFFICIENCY,
    ),
    Experiment(
        "table5",
        "X-Restormer encoder in another network",
        "In the paper an X-Restormer encoder inside PIAFusion (marked *) raises SF and AG but leaves grainy "
        "artifacts and a lower VIF: the block alone does not explain RegionFuse's quality.",
        "encoder",
        "Method",
        paper.X_RESTORMER,
        (
            Variant("PIAFusion", recipe="piafusion"),
            Variant("PIAFusion*", network={"encoder": "xrestormer"}, recipe="piafusion"),
            Variant("RegionFuse"),
        ),
        "RegionFuse",
    ),
    Experiment(
        "fig3",
        "Where the infrared goes under uneven light",
        "In the paper RegionFuse injects more infrared information into low-light regions, without abrupt "
        "changes between regions (contrast-enhanced image, k = 2.5).",
        "zones",
        "Zone",
    ),
    Experiment(
        "contrast",
        "Quality and detection under growing contrast",
        "The paper tests on contrast-enhanced images, I' = clip(k (I - 0.5) + 0.5, 0, 1) with k from 1.5 to "
        "5, which have over- and under-exposed regions in one image.",
        "contrast",
        "k",
    ),
    Experiment(
        "fig4",
        "Number of experts and top-k",
        "The paper finds the best AG with 4 experts and top-3, the best SF with 6 experts and top-1, and the "
        "best VIF, Qabf and Qcb with 4 experts and top-2.",
        "trainings",
        "Setting",
        paper.EXPERT_NUMBER,
        tuple(
            Variant(f"E{experts}-K{top_k}", network={"experts": experts, "top_k": top_k})
            for experts, top_k in ((2, 1), (4, 1), (4, 2), (4, 3), (6, 1), (6, 2))
        ),
        "E4-K2",
    ),
    Experiment(
        "fig5",
        "Expert allocation over the epochs",
        "In the paper the shares of the experts are even while the load loss acts (5 epochs) and drift apart "
        "afterwards, with every expert still in use.",
        "allocation",
        "Load loss",
        paper.LOAD_LOSS,
        (
            Variant(
                "first 5 epochs", {"load_epochs": paper.LOAD_EPOCHS}, name="load loss in the first 5 epochs"
            ),
            Variant("all epochs", {"load_epochs": ALWAYS}, name="load loss in all epochs"),
            Variant("never", {"load_epochs": 0}, name="no load loss"),
        ),
        "first 5 epochs",
    ),
    Experiment(
        "ablation",
        "Ablation of the parts",
        "In the paper every part that is taken out costs quality in all five metrics; the Restormer encoder "
        "costs most in SF and AG, the missing RFCM most in VIF, Qabf and Qcb.",
        "trainings",
        "Network",
        paper.ABLATION,
        (
            Variant("full model"),
            Variant("Restormer encoder", network={"encoder": "restormer"}),
            Variant("convolutions only", network={"encoder": "convolution"}),
            Variant("plain attention", network={"attention": "plain"}),
            Variant("no RFCM", network={"compression": "convolution"}),
            Variant("no load loss", {"load_epochs": 0}),
            Variant("sample-level routing", network={"routing": "sample"}),
        ),
        "full model",
    ),
    Experiment(
        "fig7",
        "What detectors see",
        "The paper shows a truck that is called a car, and a person hidden by smoke, with the detections of "
        "every method on the same crop.",
        "panels",
        "Source",
    ),
)
"""In the order of the PDF."""

ALL = "all"
NAMES: tuple[str, ...] = (*(experiment.name for experiment in EXPERIMENTS), ALL)


def chosen(names: tuple[str, ...]) -> tuple[Experiment, ...]:
    """Return the experiments of these names, in the order of the catalogue; ``all`` is every one.

    Raises:
        ConfigError: a name is unknown.
    """
    for name in names:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"unknown experiment {name!r}; {hint}known: {', '.join(NAMES)}")
    return tuple(each for each in EXPERIMENTS if each.name in names or ALL in names)
