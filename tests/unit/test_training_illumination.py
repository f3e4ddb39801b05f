"""PIAFusion's day-or-night classifier: what it learns from, what it minimises, and where its weights go."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from regionfuse.datasets.errors import CheckpointError, ConfigError, DataError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.records import Pair
from regionfuse.fusion.baselines import official
from regionfuse.fusion.baselines.catalogue import build
from regionfuse.fusion.training.data import DecodedPairs, Patches, collate
from regionfuse.fusion.training.illumination import L2, IlluminationRecipe, read_lighting
from regionfuse.fusion.training.recipe import Batch
from regionfuse.fusion.training.recipes import options_for, recipe_for
from regionfuse.fusion.training.trainer import TrainingResult, train

SIDE = 32


def street(folder: Path, stem: str, level: float, seed: int) -> Pair:
    """A visible image about a grey level, with grain and one lamp."""
    rng = np.random.default_rng(seed)
    visible = level + rng.normal(0, 10, (SIDE, SIDE, 3))
    visible[2:6, 3:7] = 240
    for kind, image in (("vi", visible), ("ir", rng.uniform(0, 255, (SIDE, SIDE)))):
        write_png(folder / kind / f"{stem}.png", np.clip(image, 0, 255).astype(np.uint8))
    return Pair(stem, folder / "ir" / f"{stem}.png", folder / "vi" / f"{stem}.png", SIDE, SIDE)


def streets(folder: Path) -> list[Pair]:
    days = [street(folder, f"{i:05}D", 150 + 5 * i, i) for i in range(4)]
    return days + [street(folder, f"{i:05}N", 20 + 5 * i, 10 + i) for i in range(4)]


def recipe(**network: Any) -> IlluminationRecipe:
    made = recipe_for(options_for("piafusion-illumination", {"network": network}))
    assert isinstance(made, IlluminationRecipe)
    return made


def trained(
    folder: Path, pairs: Sequence[Pair], epochs: int, validation: Sequence[Pair] = ()
) -> TrainingResult:
    given = {"epochs": epochs, "steps_per_epoch": 15, "batch_size": 8, "patch": 16, "device": "cpu"}
    options = options_for("piafusion-illumination", given)
    return train(options, pairs, validation, folder / "light", trained_on=("streets",))


def test_it_learns_to_tell_day_from_night_and_weighs_piafusions_losses(tmp_path: Path) -> None:
    pairs = streets(tmp_path)
    held_out = [street(tmp_path, "heldD", 160, 20), street(tmp_path, "heldN", 30, 21)]
    result = trained(tmp_path, pairs, 8, held_out)
    curve = result.card["curves"]["train_total"]
    assert curve[-1] < 0.3 * curve[0], curve
    assert result.final_losses["train_accuracy"] == result.final_losses["validation_accuracy"] == 1
    assert not list((tmp_path / "light").glob("validation/*")), "nothing is fused, so there is nothing to see"
    assert result.card["lighting"] == "last letter of the stem"

    network = official("piafusion-illumination", result.weights)
    with torch.no_grad():
        weights = network.visible_weight(torch.cat([torch.full((1, 3, 32, 32), v) for v in (0.7, 0.1)]))  # type: ignore[operator]
    assert weights[0] > 0.9 and weights[1] < 0.1

    small = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 1, "patch": 16, "device": "cpu"}
    options = options_for("piafusion", {**small, "network": {"illumination": str(result.weights)}})
    fused = train(options, [held_out[0]], (), tmp_path / "out", trained_on=("other",))
    assert fused.card["illumination_sha256"] == result.card["sha256"]
    # What the classifier has seen, PIAFusion has seen.
    assert fused.card["trained_on"] == ["streets", "other"]
    assert set(fused.card["training_images"]) > set(result.card["training_images"])
    assert len(fused.card["training_images"]) == 9
    assert "training_images_unknown_of" not in fused.card
    # Without its card it is taken for the authors', which were trained on MSRS.
    bare = tmp_path / "bare.safetensors"
    shutil.copy(result.weights, bare)
    unlisted = replace(options, network={"illumination": str(bare)})
    alone = train(unlisted, [held_out[0]], (), tmp_path / "alone", trained_on=("other",)).card
    assert (alone["trained_on"], alone["training_images_unknown_of"]) == (["MSRS", "other"], ["MSRS"])
    assert len(alone["training_images"]) == 1

    # Where the file lies is no fact about the weights, and a training goes on when it has moved.
    assert fused.card["options"]["network"] == {"illumination": "weights.safetensors"}
    (tmp_path / "light").rename(tmp_path / "moved")
    moved = replace(options, network={"illumination": str(tmp_path / "moved" / "weights.safetensors")})
    again = train(moved, [held_out[0]], (), tmp_path / "out", trained_on=("other",))
    assert again.card["sha256"] == fused.card["sha256"]
    with pytest.raises(CheckpointError, match="settings of the network"):
        train(replace(options, network={}), [held_out[0]], (), tmp_path / "out", trained_on=("other",))


def test_a_killed_training_goes_on_exactly(tmp_path: Path) -> None:
    pairs = streets(tmp_path)
    whole = trained(tmp_path, pairs, 2).card["sha256"]
    (tmp_path / "light").rename(tmp_path / "whole")

    class Killed(Exception):
        pass

    def progress(done: int, _total: int, _message: str) -> None:
        if done == 20:
            raise Killed

    given = {"epochs": 2, "steps_per_epoch": 15, "batch_size": 8, "patch": 16, "device": "cpu"}
    options = options_for("piafusion-illumination", given)
    with pytest.raises(Killed):
        train(options, pairs, (), tmp_path / "light", progress=progress, trained_on=("streets",))
    assert trained(tmp_path, pairs, 2).card["sha256"] == whole


def test_the_penalty_is_what_adam_calls_weight_decay(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = recipe()
    network = made.build()
    rgb, classes = torch.rand(4, 3, 16, 16), torch.tensor([0.0, 1.0, 0.0, 1.0])
    batch = Batch(rgb[:, :1], rgb[:, :1], rgb, None, classes)
    losses = made.step(network, batch, 0)
    entropy = F.cross_entropy(network(rgb), classes.long())
    torch.testing.assert_close(losses["entropy"], entropy)
    ours = torch.autograd.grad(losses["total"], list(network.parameters()))
    plain = torch.autograd.grad(entropy, list(network.parameters()))
    for parameter, gradient, without in zip(network.parameters(), ours, plain, strict=True):
        torch.testing.assert_close(gradient, without + L2 * parameter)


def test_no_start_is_dead() -> None:
    """From the published start both scores are 0 for every image now and then, and so is the gradient."""
    image, alive, published = torch.full((1, 3, 64, 64), 0.5), 0, 0
    for seed in range(24):
        torch.manual_seed(seed)
        alive += bool((recipe().build()(image) > 0).all())
        torch.manual_seed(seed)
        published += bool((build("piafusion-illumination")(image) > 0).any())
    assert alive == 24 and published < 24


def test_targets_travel_with_their_pair(tmp_path: Path) -> None:
    pairs = streets(tmp_path)
    targets = recipe().targets(pairs)
    assert targets == [0, 0, 0, 0, 1, 1, 1, 1]
    decoded = DecodedPairs(pairs, targets=targets)
    patches = Patches(decoded, 16, seed=0)
    batch = collate([patches[(0, index, 0)] for index in (7, 0, 4)])
    assert batch.target is not None and batch.target.tolist() == [1, 0, 1]
    assert batch.rgb.mean(dim=(1, 2, 3)).argmax() == 1
    moved = batch.to(torch.device("cpu"))
    assert moved.label is None and moved.target is not None
    assert decoded.batch(5).target.tolist() == [1]  # type: ignore[union-attr]


def test_a_file_says_what_is_day_and_what_is_night(tmp_path: Path) -> None:
    file = tmp_path / "light.csv"
    file.write_text("lighting, stem \nnight, a\n Day ,b\nnight,c\nnight,a\n", encoding="utf-8-sig")
    assert read_lighting(file)[0] == {"a": "night", "b": "day", "c": "night"}
    pairs = [Pair(stem, tmp_path, tmp_path, 1, 1) for stem in "bca"]
    assert recipe(lighting=str(file)).targets(pairs) == [0, 1, 1]
    assert len(recipe(lighting=str(file)).card()["lighting"]) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,lighting\na,day\n", "columns stem and lighting, found 'name', 'lighting'; write stem into"),
        ("stem,lighting\na,dusk\n", "line 2: expected day or night for a, once, found 'dusk'"),
        ("stem\na\n", "expected the columns stem and lighting, found 'stem'; write lighting into"),
        ("", "expected the columns stem and lighting, found none; write stem and lighting into"),
        ("stem,lighting\na\n", "line 2: expected day or night for a, once, found ''"),
        ("stem,lighting\na,day\na,night\n", "line 3: expected day or night for a, once, found 'night'"),
        ("stem,lighting\nb,day\n", "not known of a: not in .*write a CSV file"),
        (None, "cannot read who is day"),
    ],
)
def test_files_that_do_not_say_it(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "light.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        recipe(lighting=str(file)).targets([Pair("a", tmp_path, tmp_path, 1, 1)])
    assert "\n" not in str(caught.value)


def test_names_that_do_not_say_it(tmp_path: Path) -> None:
    pairs = [Pair(f"FLIR_0{i}", tmp_path, tmp_path, 1, 1) for i in range(5)]
    with pytest.raises(DataError, match=r"FLIR_00, FLIR_01, FLIR_02 and 2 more: names do not end in D or N"):
        recipe().targets(pairs)
    with pytest.raises(ConfigError, match="unknown setting 'light'; known: lighting"):
        recipe(light="x")


@pytest.mark.parametrize("by_file", [True, False])
def test_only_days_to_train_on(tmp_path: Path, by_file: bool) -> None:
    days = streets(tmp_path)[:4]
    network, where = {}, "the last letters of their names"
    if by_file:
        where = str(tmp_path / "light.csv")
        Path(where).write_text("stem,lighting\n" + "".join(f"{day.stem},day\n" for day in days))
        network = {"lighting": where}
    with pytest.raises(DataError, match=f"found 4 to train on that {where} all call day: .* add night pairs"):
        train(options_for("piafusion-illumination", {"network": network}), days, (), tmp_path / "light")
    assert recipe(**network).targets(days) == [0, 0, 0, 0], "to validate on, they will do"


def test_the_file_of_the_start_counts(tmp_path: Path) -> None:
    pairs, file = streets(tmp_path), tmp_path / "light.csv"
    file.write_text("stem,lighting\n" + "".join(f"{pair.stem},{pair.stem[-1]}\n" for pair in pairs))
    file.write_text(file.read_text().replace(",D\n", ",day\n").replace(",N\n", ",night\n"))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    given = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 8, "patch": 16, "device": "cpu"}
    options = options_for("piafusion-illumination", {**given, "network": {"lighting": str(file)}})
    result = train(options, pairs, (), tmp_path / "light", progress=lambda *_: file.unlink())
    assert result.card["lighting"] == digest


def test_the_file_knows_a_pair_by_its_stem(tmp_path: Path) -> None:
    pairs, file = streets(tmp_path / "ms"), tmp_path / "light.csv"
    rows = [f"{pair.stem},{'day' if pair.stem.endswith('D') else 'night'}\n" for pair in pairs]
    file.write_text("stem,lighting\n" + "".join(rows))
    other = street(tmp_path / "ms2", pairs[0].stem, 20, 30)
    options = options_for("piafusion-illumination", {"network": {"lighting": str(file)}})
    for training, validation in (([*pairs, other], []), (pairs, [other])):
        with pytest.raises(DataError, match=r"for 00000D: .*ms/vi/00000D\.png and .*ms2/vi/00000D\.png"):
            train(options, training, validation, tmp_path / "light")


def test_it_agrees_with_the_official_classifier_on_real_images(shared: Path, tmp_path: Path) -> None:
    """Trained on 20 real pairs for some steps, it tells others, as the authors' weights do."""
    folder = shared / "data" / "msrs"
    stems = sorted(path.stem for path in (folder / "vi").glob("*.png"))
    days, nights = ([s for s in stems if s.endswith(letter)] for letter in "DN")

    def pairs(stems: list[str]) -> list[Pair]:
        return [Pair(s, folder / "ir" / f"{s}.png", folder / "vi" / f"{s}.png", 640, 480) for s in stems]

    given = {"epochs": 4, "steps_per_epoch": 25, "batch_size": 32, "device": "cpu"}
    options = options_for("piafusion-illumination", given)
    result = train(options, pairs(days[:10] + nights[:10]), pairs(days[20:24] + nights[20:24]), tmp_path)
    assert json.loads(result.weights.with_name("weights.safetensors.json").read_text())["pairs"] == 20
    ours = official("piafusion-illumination", result.weights)
    theirs = official("piafusion-illumination", shared / "data" / "weights" / "PIAFusion_best_cls.pth")
    decoded = DecodedPairs(pairs(days[25:] + nights[25:]))
    right, same = 0, 0
    with torch.no_grad():
        for index, pair in enumerate(decoded.pairs):
            rgb = decoded.batch(index).rgb
            said, known = int(ours(rgb).argmax()), int(theirs(rgb).argmax())
            right += said == int(pair.stem.endswith("N"))
            same += said == known
    assert right >= 0.85 * len(decoded) and same >= 0.85 * len(decoded), (right, same, len(decoded))
