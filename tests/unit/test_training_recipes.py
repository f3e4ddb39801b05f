"""Every published recipe trains until its loss falls, and the method takes the weights that it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from regionfuse.datasets.errors import CheckpointError, ConfigError, DataError, MethodError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.names import BUILTINS, HELPERS
from regionfuse.fusion.registry import create
from regionfuse.fusion.training.data import DecodedPairs, Patches, contrast, hash_pairs
from regionfuse.fusion.training.decomposition import DecompositionRecipe
from regionfuse.fusion.training.labels import find_labels
from regionfuse.fusion.training.options import TrainingOptions
from regionfuse.fusion.training.recipes import RECIPES, options_for, recipe_class, recipe_for, trainable
from regionfuse.fusion.training.trainer import TrainingResult, train

SIDE = 16


def scene(folder: Path, stem: str, seed: int, side: int = SIDE) -> Pair:
    """A pair with a dark sky, a bright road and one hot spot, and beside it the label: the larger value."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(20, 200, side)[:, None, None]
    visible = ramp + rng.normal(0, 8, (side, side, 3))
    infrared = np.full((side, side), 60.0) + rng.normal(0, 5, (side, side))
    infrared[side // 4 : side // 2, side // 4 : side // 2] = 230
    label = np.maximum(visible.mean(axis=2), infrared)
    images = {"vi": visible, "ir": infrared, "fused": label}
    for kind, image in images.items():
        write_png(folder / kind / f"{stem}.png", np.clip(image, 0, 255).astype(np.uint8))
    return Pair(stem, folder / "ir" / f"{stem}.png", folder / "vi" / f"{stem}.png", side, side)


# Few steps on one small pair: (epochs, steps an epoch, learning rate, further options).
RUNS: dict[str, tuple[int, int, float, dict[str, Any]]] = {
    "piafusion": (3, 4, 3e-3, {}),
    "piafusion-xrestormer": (4, 4, 3e-3, {}),
    "cddfuse": (5, 2, 1e-3, {}),
    "ship": (3, 3, 1e-3, {}),
    "dcevo": (5, 2, 1e-3, {}),
    "sage": (3, 5, 2e-3, {}),
    "a2rnet": (3, 3, 1e-2, {"seed": 1, "network": {"attack_steps": 1}}),
}


def trained(method: str, folder: Path) -> TrainingResult:
    epochs, steps, rate, more = RUNS[method]
    if recipe_class(method).labels:
        more = {**more, "labels": folder / "fused"}
    given = {"epochs": epochs, "steps_per_epoch": steps, "learning_rate": rate, **more}
    options = options_for(method, {**given, "batch_size": 1, "patch": SIDE, "device": "cpu"})
    return train(options, [scene(folder, "a", 0)], (), folder / "out", trained_on=("toys",))


@pytest.mark.parametrize("method", RUNS)
def test_loss_falls_and_the_weights_fuse(method: str, tmp_path: Path) -> None:
    result = trained(method, tmp_path)
    curve = result.card["curves"]["train_total"]
    recipe = recipe_class(method)
    if issubclass(recipe, DecompositionRecipe):  # two phases with losses of their own: 2 epochs and 3
        assert curve[0] > curve[1]
        curve = curve[2:]
    assert curve[-1] < 0.98 * curve[0], curve

    made = create(method, weights=result.weights)
    assert made.card.trained_on == ("toys",)
    told = f"trained here, 1 pair, {RUNS[method][0]} epochs"
    assert made.card.notes.startswith(told)
    assert ("in the folder fused" in made.card.notes) == bool(recipe.labels)
    torch.manual_seed(0)
    infrared, visible = torch.rand(2, 1, 1, 20, 28)
    fused = made.fuse(infrared, visible)
    assert fused.shape == (1, 1, 20, 28) and fused.std() > 1e-4
    if method != "dcevo":  # which adds the features of both images up and cannot tell one from the other
        assert not torch.equal(fused, made.fuse(visible, infrared))
    fresh = recipe_for(TrainingOptions.from_dict(_unplaced(result, tmp_path))).build().eval()
    assert not torch.allclose(fused, fresh(visible, infrared), atol=1e-3)


def _unplaced(result: TrainingResult, folder: Path) -> dict[str, Any]:
    """The options in a card, with the folder of labels where it was."""
    options = dict(result.card["options"])
    if "labels" in options:
        assert options["labels"] == "fused" and result.card["labels"]["images"] == 1
        options["labels"] = folder / "fused"
    return options


def test_the_registry_and_the_recipes_agree() -> None:
    methods = {name for name, entry in BUILTINS.items() if entry.trainable}
    assert set(trainable()) == methods | HELPERS.keys() and not methods & HELPERS.keys()
    for name in RECIPES:
        assert recipe_class(name).defaults.keys() <= set(TrainingOptions.__dataclass_fields__)


@pytest.mark.parametrize(
    ("method", "epochs", "batch", "patch", "rate", "clip"),
    [
        ("piafusion", 30, 128, 64, 1e-3, 0),
        ("piafusion-illumination", 100, 128, 64, 1e-3, 0),
        ("cddfuse", 120, 8, 128, 1e-4, 0.01),
        ("dcevo", 120, 4, 128, 1.5e-4, 0.01),
        ("ship", 100, 4, 128, 1e-4, 0),
        ("regionfuse", 84, 8, 128, 1e-4, 1),
    ],
)
def test_defaults_are_as_published(
    method: str, epochs: int, batch: int, patch: int, rate: float, clip: float
) -> None:
    options = options_for(method, {"epochs": None})
    found = options.epochs, options.batch_size, options.patch, options.learning_rate, options.gradient_clip
    assert found == (epochs, batch, patch, rate, clip)
    assert options_for(method, {"epochs": 7}).epochs == 7


def test_two_phases_train_their_parts_at_their_rates() -> None:
    recipe = recipe_for(options_for("cddfuse", {}))
    first, second = recipe.phases()
    assert (first.start, second.start, second.trains) == (0, 40, ())
    assert first.trains == ("DIDF_Encoder.", "DIDF_Decoder.")
    assert [group.name for group in recipe.groups()] == [
        "DIDF_Encoder",
        "DIDF_Decoder",
        "BaseFuseLayer",
        "DetailFuseLayer",
    ]
    assert {group.gradient_clip for group in recipe.groups()} == {0.01}
    epochs = (0, 19, 20, 40, 59, 60, 119)
    factors = [recipe.group_schedule("DIDF_Encoder", 10 * epoch, 10) for epoch in epochs]
    assert factors == [1, 1, 0.5, 0.25, 0.25, 0.125, 1 / 32]
    factors = [recipe.group_schedule("BaseFuseLayer", 10 * epoch, 10) for epoch in epochs]
    assert factors == [1, 1, 1, 1, 1, 0.5, 1 / 8]
    slow = recipe_for(options_for("cddfuse", {"learning_rate": 2e-6}))
    assert slow.group_schedule("DIDF_Encoder", 119, 1) == 0.5


def test_short_runs_keep_both_phases_where_they_can() -> None:
    starts = [len(recipe_for(options_for("dcevo", {"epochs": epochs})).phases()) for epochs in (1, 2, 3, 5)]
    assert starts == [1, 2, 2, 2]
    assert recipe_for(options_for("dcevo", {"epochs": 5})).phases()[1].start == 2


def test_schedules_of_the_others(tmp_path: Path) -> None:
    ship = recipe_for(options_for("ship", {}))
    steps = (0, 14_999, 15_000, 24_999, 25_000, 99_999)
    assert [ship.schedule(step, 1000) for step in steps] == [1, 1, 0.75, 0.75, 0.5625, 0.5625]
    sage = recipe_for(options_for("sage", {"labels": tmp_path}))
    assert sage.schedule(0, 10) == 1
    assert sage.schedule(500, 10) == pytest.approx(0.5 * (1 + 1e-5 / 2e-3))
    assert sage.schedule(1000, 10) * 2e-3 == pytest.approx(1e-5)
    a2rnet = recipe_for(options_for("a2rnet", {"labels": tmp_path}))
    assert [a2rnet.schedule(step, 200) for step in (199, 200, 399, 400)] == [1, 0.75, 0.75, 0.75**2]
    piafusion = recipe_for(options_for("piafusion", {"epochs": 4}))
    assert [piafusion.schedule(step, 200) for step in (399, 400, 600)] == [1, 1, 0.5]
    for starts_slowly in (a2rnet, piafusion):  # no step at the full rate before the output can have settled
        rates = [starts_slowly.schedule(step, 200) for step in range(200)]
        assert rates == sorted(rates)
        assert (rates[0], rates[49], rates[99]) == (0.01, 0.5, 1)


def test_an_epoch_holds_as_many_patches_as_the_authors_cut() -> None:
    sizes = [(480, 640), (100, 100)]
    assert recipe_for(options_for("piafusion", {})).patches_per_epoch(sizes) == 70 + 1
    assert recipe_for(options_for("cddfuse", {})).patches_per_epoch(sizes) == 2 * 3 + 1
    assert recipe_for(options_for("ship", {})).patches_per_epoch(sizes) == 2


@pytest.mark.parametrize(
    ("method", "given", "said"),
    [
        ("cddfuse", {"preset": "base"}, "'cddfuse' has no option preset, found base"),
        ("ship", {"network": {"width": 3}}, "no option network"),
        ("sage", {"mu_load": 1.0}, "no option mu_load"),
        ("dcevo", {"warmup_epochs": 3}, "no option warmup_epochs"),
        ("ship", {"lambda_gradient": 0.0}, "'ship' has no option lambda_gradient, found 0"),
        ("ship", {"mu_load": 0.0}, "no option mu_load"),
        ("piafusion", {"load_epochs": 0}, "no option load_epochs, found 0; it reads network"),
        ("sage", {}, "learns from a teacher's images: give a folder"),
        ("a2rnet", {}, "learns from pseudo-labels: give a folder"),
        ("ship", {"labels": Path("x")}, "learns without labels"),
        ("a2rnet", {"labels": Path("x"), "network": {"attack": 3}}, "unknown setting 'attack'"),
        ("a2rnet", {"labels": Path("x"), "network": {"attack_steps": -1}}, "attack_steps must be"),
    ],
)
def test_options_that_a_method_does_not_take(method: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        recipe_for(options_for(method, given))


def test_what_a_method_has_anyway_may_be_said() -> None:
    given = {"preset": "published", "warmup_epochs": 0, "network": {}, "region": None}
    assert options_for("ship", given) == options_for("ship", {})


def test_ddfm_is_not_trained() -> None:
    with pytest.raises(MethodError, match="'ddfm' cannot be trained"):
        options_for("ddfm", {})


def test_labels_travel_with_their_pair(tmp_path: Path) -> None:
    pair = scene(tmp_path, "a", 1, side=40)
    labels = find_labels(tmp_path / "fused", [pair])
    decoded = DecodedPairs([pair], labels=labels)
    (visible, infrared, label), target = Patches(decoded, 16, seed=0)[(0, 0, 3)]
    assert target is None
    assert label.shape == (16, 16)
    grey = np.maximum(visible.mean(axis=2), infrared)
    assert np.abs(label - grey).max() < 0.02
    batch = decoded.batch(0, 20)
    assert batch.label is not None and batch.label.shape == (1, 1, 20, 20)
    assert batch.to(torch.device("cpu")).label is not None
    (alone, _, *rest), _ = Patches(DecodedPairs([pair]), 16, seed=0)[(0, 0, 3)]
    assert np.array_equal(alone, visible) and not rest


def test_labels_count_for_the_identity_of_a_run(tmp_path: Path) -> None:
    pair = scene(tmp_path, "a", 1)
    labels = find_labels(tmp_path / "fused", [pair])
    before, card = hash_pairs([pair], labels), labels.card()
    assert before[0] != hash_pairs([pair])[0]
    write_png(tmp_path / "fused" / "a.png", np.zeros((SIDE, SIDE), np.uint8))
    changed = find_labels(tmp_path / "fused", [pair])
    assert hash_pairs([pair], changed)[0] != before[0]
    assert card is not None and card != changed.card() and card["folder"] == "fused"


def test_the_card_vouches_for_the_labels_of_the_start(tmp_path: Path) -> None:
    """Read once, they may be gone when the training ends; with others it does not go on."""
    pair = scene(tmp_path, "a", 1)
    file = tmp_path / "fused" / "a.png"
    content, card = file.read_bytes(), find_labels(tmp_path / "fused", [pair]).card()
    given = {"labels": tmp_path / "fused", "network": {"attack_steps": 1}, "device": "cpu"}
    small = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 1, "patch": SIDE}
    options = options_for("a2rnet", {**given, **small})
    gone = train(options, [pair], (), tmp_path / "out", progress=lambda *_: file.unlink())
    assert card is not None and gone.card["labels"] == {"what": "pseudo-labels", **card}

    write_png(file, np.zeros((SIDE, SIDE), np.uint8))
    with pytest.raises(CheckpointError, match="the training pairs or their labels are not those"):
        train(options, [pair], (), tmp_path / "out")
    file.write_bytes(content)
    assert train(options, [pair], (), tmp_path / "out").card["labels"] == gone.card["labels"]


def test_labels_know_a_pair_by_its_stem(tmp_path: Path) -> None:
    one, other = scene(tmp_path / "ms", "a", 1), scene(tmp_path / "ms2", "a", 2)
    fused = tmp_path / "ms" / "fused"
    with pytest.raises(DataError, match=r"for a: .*ms/vi/a\.png and .*ms2/vi/a\.png; rename") as caught:
        find_labels(fused, [one, other])
    assert "\n" not in str(caught.value)
    find_labels(fused, [one, one])
    # One of them may have been kept out for the validation.
    options = options_for("a2rnet", {"labels": fused, "patch": SIDE, "epochs": 1, "device": "cpu"})
    with pytest.raises(DataError, match="expected one pair for each, found two for a"):
        train(options, [one], [other], tmp_path / "out")


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    pair = scene(tmp_path, "a", 1)
    with pytest.raises(ConfigError, match="expected a folder of fused images, found nothing"):
        find_labels(tmp_path / "nowhere", [pair])
    with pytest.raises(MethodError, match="1 of 2 fused images are missing"):
        find_labels(tmp_path / "fused", [pair, replace(pair, stem="b")])
    write_png(tmp_path / "fused" / "a.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match="8 x 8 but its pair is 16 x 16"):
        DecodedPairs([pair], labels=find_labels(tmp_path / "fused", [pair]))[0]


def test_flat_patches_are_drawn_again(tmp_path: Path) -> None:
    """A picture of which three quarters are flat: one patch in two shows nothing unless it is drawn again."""
    image = np.full((64, 64), 100, np.uint8)
    image[:32, :32] = np.random.default_rng(0).integers(0, 256, (32, 32))
    for kind in ("ir", "vi"):
        write_png(tmp_path / kind / "a.png", image)
    decoded = DecodedPairs([Pair("a", tmp_path / "ir" / "a.png", tmp_path / "vi" / "a.png", 64, 64)])
    flat = {}
    for least in (0.0, 0.1):
        patches = Patches(decoded, 16, 0, least)
        flat[least] = sum(contrast(patches[(0, 0, draw)][0][1] * 255) < 0.1 for draw in range(40))
    assert flat[0.0] > 15 and flat[0.1] < 4
    assert contrast(np.zeros((4, 4), np.uint8)) == 0
    assert contrast(np.repeat(np.arange(0, 11, dtype=np.uint8), 10)[None]) == pytest.approx(0.9, abs=0.05)


def test_real_pairs_with_a_classifier_and_a_teacher(shared: Path, tmp_path: Path) -> None:
    """On real images: PIAFusion with its official classifier, SAGE's student with images of SAGE itself."""
    teacher = shared / "golden" / "fused" / "SAGE" / "m3fd"
    stems = sorted(path.stem for path in teacher.iterdir())[:2]
    folder = shared / "data" / "m3fd"
    pairs = [Pair(s, folder / "Ir" / f"{s}.png", folder / "Vis" / f"{s}.png", 1024, 768) for s in stems]
    small = {"epochs": 2, "steps_per_epoch": 4, "batch_size": 4, "patch": 16, "device": "cpu"}
    file = shared / "data" / "weights" / "PIAFusion_best_cls.pth"
    extra: dict[str, dict[str, Any]] = {
        "piafusion": {"network": {"illumination": str(file)}, "learning_rate": 3e-4},
        "sage": {"labels": teacher},
    }
    for method, more in extra.items():
        result = train(options_for(method, {**small, **more}), pairs, (), tmp_path / method)
        first, last = result.card["curves"]["train_total"]
        assert last < first
        card = json.loads(result.weights.with_name("weights.safetensors.json").read_text())
        if method == "piafusion":
            assert card["illumination"] and len(card["illumination_sha256"]) == 64
        else:
            assert card["labels"]["what"] == "a teacher's images" and card["labels"]["images"] == 2


def test_the_documentation_shows_the_defaults(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    rows = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    table = {row[0].strip("`"): row[1:] for row in rows}
    assert set(table) == set(trainable())
    for name, (epochs, steps, batch, patch, rate, clip, _) in table.items():
        labels = tmp_path if recipe_class(name).labels else None
        options = options_for(name, {"labels": labels})
        assert (int(epochs), int(batch), int(patch)) == (options.epochs, options.batch_size, options.patch)
        assert float(rate) == options.learning_rate
        assert (0.0 if clip == "none" else float(clip.split()[0])) == options.gradient_clip
        assert options.steps_per_epoch == (int(steps.split()[0]) if steps.endswith("steps") else None)


@pytest.mark.parametrize("encoder", ["convolution", "xrestormer"])
def test_piafusion_starts_with_an_image_that_depends_on_its_input(encoder: str) -> None:
    """From the other start the output is constant, and a few coherent steps drive it where tanh is flat."""
    spread = {}
    for start in ("he", "pytorch"):
        torch.manual_seed(0)
        options = options_for("piafusion", {"network": {"encoder": encoder, "start": start}})
        network = recipe_for(options).build().eval()
        with torch.no_grad():
            fused = network(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32))
        assert 0.05 < fused.mean() < 0.95
        spread[start] = fused.std().item()
    assert spread["he"] > 10 * spread["pytorch"]


@pytest.mark.parametrize("encoder", ["convolution", "xrestormer"])
def test_piafusion_starts_as_no_negative(encoder: str) -> None:
    """The gradient loss knows no sign: a network that starts as a negative would be trained to stay one."""
    ramp = torch.linspace(0.1, 0.9, 24).expand(1, 1, 24, 24)
    for seed in range(4):
        torch.manual_seed(seed)
        network = recipe_for(options_for("piafusion", {"network": {"encoder": encoder}})).build().eval()
        with torch.no_grad():
            fused, sources = network(ramp, ramp.transpose(2, 3)), ramp + ramp.transpose(2, 3)
        assert torch.corrcoef(torch.stack((fused.flatten(), sources.flatten())))[0, 1] > 0


def test_piafusion_refuses_an_unknown_start() -> None:
    with pytest.raises(ConfigError, match=r"start must be one of he, pytorch, found 'xavier'"):
        recipe_for(options_for("piafusion", {"network": {"start": "xavier"}}))
