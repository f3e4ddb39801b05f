"""Checkpoints: ours, Ultralytics', strangers' and malicious ones; classes by name."""

from __future__ import annotations

import json
import logging
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from regionfuse.datasets.errors import CheckpointError, DetectorError
from regionfuse.detection.architecture import build_network, find_architecture
from regionfuse.detection.checkpoint import load_detector, read_detector, save_detector
from regionfuse.detection.pickled import Inert

CLASSES = ("People", "Car", "Lamp")


class Evil:
    """Unpickling this writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.target}",)


def ultralytics_file(path: Path, names: tuple[str, ...], seed: int = 3, **changes: object) -> torch.nn.Module:
    """Write a checkpoint the way Ultralytics does: live objects in a pickle."""
    model = build_network(find_architecture("yolo-micro.yaml"), names, seed)
    for branch in model.model[-1].cv3:  # fresh networks give all classes nearly the same score
        branch[-1].bias.data += torch.linspace(0, 3, len(names))
    model.half()
    for name, value in changes.items():
        setattr(model, name, value)
    torch.save({"epoch": -1, "model": None, "ema": model, "train_args": {"lr0": 0.01}, "date": "today"}, path)
    return model.float()


def outputs(model: torch.nn.Module) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        return model.eval()(torch.rand(1, 3, 64, 64))[0]


def test_own_file_round_trips(tmp_path: Path) -> None:
    model, _ = load_detector("yolo-micro.yaml", CLASSES, seed=1)
    path = save_detector(model, tmp_path / "w.safetensors", dtype=torch.float32, card={"note": "x"})
    again, names = read_detector(path)
    assert names == CLASSES
    assert torch.equal(outputs(model), outputs(again))
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["classes"] == list(CLASSES)
    assert card["note"] == "x"


def test_shipped_size_of_yolo_micro(tmp_path: Path) -> None:
    model, info = load_detector("yolo-micro.yaml", ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck"))
    path = save_detector(model, tmp_path / "w.safetensors")
    assert info.parameters <= 600_000
    assert path.stat().st_size < 1.4e6


def test_seed_decides_initial_weights_and_leaves_the_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, _ = load_detector("yolo-micro.yaml", CLASSES, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    same, _ = load_detector("yolo-micro.yaml", CLASSES, seed=1)
    other, _ = load_detector("yolo-micro.yaml", CLASSES, seed=2)
    assert torch.equal(outputs(first), outputs(same))
    assert not torch.equal(outputs(first), outputs(other))


def test_ultralytics_file_gives_the_same_network(tmp_path: Path) -> None:
    stored = ultralytics_file(tmp_path / "a.pt", CLASSES)
    model, names = read_detector(tmp_path / "a.pt")
    assert names == CLASSES
    assert torch.equal(outputs(stored), outputs(model))


def test_same_names_in_another_order_are_reordered(tmp_path: Path) -> None:
    stored = ultralytics_file(tmp_path / "a.pt", CLASSES)
    model, info = load_detector(tmp_path / "a.pt", ("lamp", "People", "Car"))
    assert info.head == "reordered"
    rows = [0, 1, 2, 3, 4 + 2, 4 + 0, 4 + 1]
    torch.testing.assert_close(outputs(model), outputs(stored)[:, rows])
    assert not torch.allclose(outputs(model)[:, 4:], outputs(stored)[:, 4:], atol=1e-3)
    assert model.names == {0: "lamp", 1: "People", 2: "Car"}


def test_other_names_start_the_class_outputs_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stored = ultralytics_file(tmp_path / "a.pt", ("Car", "x", "y", "z"))
    with caplog.at_level(logging.WARNING):
        model, info = load_detector(tmp_path / "a.pt", CLASSES, seed=4)
    assert info.head == "new"
    assert "start anew" in caplog.text
    old, new = stored.model[-1].cv3[0][-1], model.model[-1].cv3[0][-1]
    assert new.out_channels == 3
    # "Car" stands in both, yet its row is not copied in silence.
    assert not any(torch.equal(new.weight[1], row) for row in old.weight)
    assert torch.equal(model.model[0].conv.weight, stored.model[0].conv.weight)
    again, _ = load_detector(tmp_path / "a.pt", CLASSES, seed=4)
    assert torch.equal(outputs(model), outputs(again))


def test_branches_sized_for_more_classes_survive(tmp_path: Path) -> None:
    """A network from 80 classes keeps its wider branches when it gets 3, in both formats."""
    names = tuple(f"class {number}" for number in range(80))
    ultralytics_file(tmp_path / "wide.pt", names)
    model, _ = load_detector(tmp_path / "wide.pt", CLASSES)
    assert model.model[-1].cv3[0][-1].in_channels == 80
    path = save_detector(model, tmp_path / "w.safetensors", dtype=torch.float32)
    again, _ = read_detector(path)
    assert torch.equal(outputs(model), outputs(again))
    torch.save({"model": model}, tmp_path / "tuned.pt")
    tuned, _ = read_detector(tmp_path / "tuned.pt")
    assert torch.equal(outputs(model), outputs(tuned))


def test_malicious_pickles_are_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    torch.save({"model": Evil(target)}, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"model": Evil(target)}))
    for name in ("zip.pt", "plain.pt"):
        with pytest.raises(CheckpointError) as caught:
            load_detector(tmp_path / name, CLASSES)
        assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "__import__('os').system('touch owned')"}, "activation"),
        ({"activation": "nn.SiLU() if __import__('os').system('touch owned') else 1"}, "activation"),
        ({"layer": "check_requirements"}, "not a layer"),
        ({"layer": "TorchVision"}, "not a layer"),
        ({"layer": "nn.init"}, "not a layer"),
        ({"arguments": [10**9, 3, 2]}, "too large"),
        ({"repeats": 10**6}, "repeats"),
    ],
)
def test_model_yaml_inside_a_checkpoint_cannot_run_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    architecture = find_architecture("yolo-micro.yaml")
    if "activation" in change:
        architecture["activation"] = change["activation"]
    row = architecture["backbone"][0]
    row[1], row[2] = change.get("repeats", row[1]), change.get("layer", row[2])
    row[3] = change.get("arguments", row[3])
    ultralytics_file(tmp_path / "a.pt", CLASSES, yaml=architecture)
    with pytest.raises(CheckpointError, match=message):
        load_detector(tmp_path / "a.pt", CLASSES)
    assert not (tmp_path / "owned").exists()


def test_constructors_named_in_a_checkpoint_are_not_called(tmp_path: Path) -> None:
    class Calls:
        def __reduce__(self) -> tuple:
            from regionfuse.detection.yolo import DetectionModel

            return DetectionModel, (
                {"activation": "exit(3)", "backbone": [[-1, 1, "Conv", [8]]], "head": []},
            )

    torch.save({"model": Calls()}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="no model YAML"):
        load_detector(tmp_path / "a.pt", CLASSES)


def test_truncated_and_foreign_files(tmp_path: Path) -> None:
    ultralytics_file(tmp_path / "a.pt", CLASSES)
    whole = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.pt").write_text("hello")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("x/readme.txt", "hi")
    torch.save({"weights": torch.zeros(3)}, tmp_path / "state.pt")
    model, _ = load_detector("yolo-micro.yaml", CLASSES)
    own = save_detector(model, tmp_path / "own.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(own[: len(own) // 2])
    for name in ("cut.pt", "empty.pt", "text.pt", "zip.pt", "state.pt", "cut.safetensors"):
        with pytest.raises(CheckpointError, match=name) as caught:
            load_detector(tmp_path / name, CLASSES)
        assert "\n" not in str(caught.value)


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    architecture = find_architecture("yolo-micro.yaml")
    architecture["backbone"][0][3] = [32, 3, 2]
    ultralytics_file(tmp_path / "a.pt", CLASSES, yaml=architecture)
    with pytest.raises(CheckpointError, match=r"model\.0\.conv\.weight"):
        read_detector(tmp_path / "a.pt")


def test_inert_objects_do_nothing() -> None:
    thing = Inert(1, key=2)
    thing.__setstate__(("not", "a dict"))
    with pytest.raises(TypeError):
        thing()  # type: ignore[operator]


@pytest.mark.parametrize("name", ["yolov8n.yaml", "yolo11n", "yolo26n.yaml", "yolov5n", "yolov10n"])
def test_models_of_ultralytics_by_name(name: str) -> None:
    model, info = load_detector(name, CLASSES)
    assert info.parameters > 1e6
    assert outputs(model).shape[0] == 1


@pytest.mark.parametrize(
    ("name", "message"), [("yolov8m-seg", "no box detection"), ("yolo-mikro", "did you mean 'yolo-micro")]
)
def test_models_that_cannot_be_used(name: str, message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        load_detector(name, CLASSES)


def test_no_classes_is_an_error() -> None:
    with pytest.raises(DetectorError, match="at least one class"):
        load_detector("yolo-micro.yaml", ())


def test_given_checkpoint_loads(shared: Path) -> None:
    classes = ("People", "Car", "Bus", "Motorcycle", "Lamp", "Truck")
    model, info = load_detector(shared / "data/weights/yolov5nu_road6.pt", classes)
    assert info.head == "kept"
    assert outputs(model).shape[1] == 10
