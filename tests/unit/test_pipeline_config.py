"""The configuration: overrides, suggestions, and one-line errors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from regionfuse.datasets.errors import ConfigError
from regionfuse.datasets.records import PairSet
from regionfuse.detection.recipe import DetectorRecipe
from regionfuse.pipeline.config import SourceConfig, dump_config
from regionfuse.pipeline.config_file import build_config, load_config
from regionfuse.pipeline.detector_config import detector_recipe, shipped_detector
from regionfuse.pipeline.stages import predict_unit, recipe_params
from regionfuse.pipeline.store import Store, Unit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "my pairs é"
    folder.mkdir()
    return folder


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shortest_configuration_gets_every_default(tmp_path: Path, root: Path) -> None:
    config = load_config(written(tmp_path, f"dataset: {{root: '{root.name}'}}"))
    assert config.dataset.root == root
    assert [source.name for source in config.sources][:2] == ["visible", "infrared"]
    assert config.protocols == ("retrained", "frozen")
    assert config.seeds == (0,)


def test_a_dumped_configuration_reads_back_the_same(tmp_path: Path, root: Path) -> None:
    config = load_config(written(tmp_path, f"dataset: {{root: '{root}'}}\nseeds: [3, 4]"))
    assert build_config(dump_config(config), base=Path("/")) == config


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("fusion.epoch=3", ["fusion.epoch", "did you mean 'epochs'"]),
        ("sed=3", ["'sed'", "did you mean 'seeds'"]),
        ("dataset.rot=x", ["dataset.rot", "did you mean 'root'"]),
        ("fusion.epochs=many", ["fusion.epochs", "integer", "'many'"]),
        ("fusion.batch_size=0", ["fusion.batch_size", "greater than or equal to 1", "0"]),
        ("split.fractions=[0.5,0.1,0.1]", ["add up to 1"]),
        ("split.kind=list", ["split.file"]),
        ("seeds=[1,1]", ["seeds", "none of them twice"]),
        ("sources=[visible,visible]", ["'visible' stands twice"]),
        ("protocols=[retrain]", ["protocols", "'retrained'"]),
        ("split.file=nowhere.json", ["split.file", "nowhere.json", "does not exist"]),
        ("detector.weights=nowhere.pt", ["detector.weights", "nowhere.pt", "does not exist"]),
        ("detector.epochs", ["expected key=value"]),
        ("fusion=[", ["not valid YAML"]),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    tmp_path: Path, root: Path, override: str, words: list[str]
) -> None:
    path = written(tmp_path, f"dataset: {{root: '{root}'}}")
    with pytest.raises(ConfigError) as caught:
        load_config(path, [override])
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_misspelt_detector_key_is_named_with_the_nearest(root: Path, tmp_path: Path) -> None:
    config = build_config({"dataset": {"root": str(root)}, "detector": {"epoch": 3}}, base=tmp_path)
    with pytest.raises(ConfigError, match=r"epoch.*did you mean 'epochs'"):
        detector_recipe(config)


def test_class_rules_and_class_map(tmp_path: Path, root: Path) -> None:
    path = written(tmp_path, f"dataset: {{root: '{root}'}}\ndetector: {{frozen_weights: shipped}}")
    overrides = ["dataset.ignore_classes=dog,cat", "dataset.merge_classes={van: car}"]
    config = load_config(path, [*overrides, "detector.class_map={person: People}"])
    assert config.dataset.ignore_classes == ("dog", "cat") and config.dataset.merge_classes == {"van": "car"}
    recipe, _ = detector_recipe(config)
    assert recipe.class_map == {"person": "People"} and recipe.to_dict()["class_map"] == {"person": "People"}
    assert "class_map" not in recipe_params(recipe)  # no training depends on it
    with pytest.raises(ConfigError, match=r"class_map.*frozen_weights, which is not given"):
        detector_recipe(
            load_config(path, ["detector.class_map={person: People}", "detector.frozen_weights=null"])
        )
    with pytest.raises(ConfigError, match=r"detector\.class_map: expected"):
        detector_recipe(load_config(path, ["detector.class_map=[person]"]))


def test_a_class_map_decides_the_predictions_of_a_given_detector_alone(tmp_path: Path) -> None:
    pairs = PairSet("x", tmp_path, (), ("People", "Tram"))
    split = SimpleNamespace(val=(), test=())

    def unit(class_map: dict[str, str], detector: Unit | Path) -> Unit:
        recipe, source = DetectorRecipe(class_map=class_map), SourceConfig(name="visible")
        fused = Unit("fuse", "visible", {}, print)
        return predict_unit(source, 0, recipe, pairs, split, fused, detector, Store(tmp_path))  # type: ignore[arg-type]

    trained = Unit("train-detector", "visible", {}, print)
    given = shipped_detector()
    assert unit({}, trained).key == unit({"Car": "Tram"}, trained).key
    assert unit({}, given).key != unit({"Car": "Tram"}, given).key
    with pytest.raises(ConfigError, match="unknown class 'Caar'; did you mean 'Car'"):
        unit({"Caar": "Tram"}, given)


def test_a_missing_root_names_its_neighbour(tmp_path: Path, root: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'my pairs é'"):
        load_config(written(tmp_path, "dataset: {root: 'my pairs e'}"))


@pytest.mark.parametrize("text", ["", "- a list", "dataset: [", "dataset: {}"])
def test_a_file_that_is_no_configuration_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_file_tells_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="regionfuse init"):
        load_config(tmp_path / "none.yaml")


def test_overrides_take_yaml_values_and_single_sources(tmp_path: Path, root: Path) -> None:
    path = written(tmp_path, f"dataset: {{root: '{root}'}}")
    config = load_config(
        path, ["sources=visible,average", "seeds=7", "detector.epochs=2", "fusion.learning_rate=1e-3"]
    )
    assert [source.name for source in config.sources] == ["visible", "average"]
    assert config.seeds == (7,)
    assert detector_recipe(config)[0].epochs == 2
    assert config.fusion.learning_rate == pytest.approx(1e-3)


def test_lists_may_be_typed_with_commas(tmp_path: Path, root: Path) -> None:
    path = written(tmp_path, f"dataset: {{root: '{root}'}}")
    config = load_config(path, ["seeds=0,2", "protocols=frozen,retrained", "sources=visible, maximum"])
    assert config.seeds == (0, 2)
    assert config.protocols == ("frozen", "retrained")
    assert [source.name for source in config.sources] == ["visible", "maximum"]


def test_a_path_on_the_command_line_may_be_seen_from_the_working_folder(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "w.pt").write_text("")
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load_config(written(tmp_path, f"dataset: {{root: '{root}'}}"), ["detector.weights=w.pt"])
    assert config.detector["weights"] == str(tmp_path / "elsewhere" / "w.pt")


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path, root: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "w.pt").write_text("")
    config = load_config(
        written(
            tmp_path,
            f"dataset: {{root: '{root.name}'}}\n"
            "sources: [visible, {name: mine, method: 'mine.py:Mine'}, {name: done, method: 'folder:fused'}]\n"
            "detector: {weights: w.pt}",
        )
    )
    assert config.sources[1].spec == f"{tmp_path / 'mine.py'}:Mine"
    assert config.sources[2].spec == f"folder:{tmp_path / 'fused'}"
    assert config.detector["weights"] == str(tmp_path / "w.pt")


def test_files_of_a_training_are_taken_from_the_folder_of_the_file(tmp_path: Path, root: Path) -> None:
    (tmp_path / "light.pth").write_text("")
    (tmp_path / "first.safetensors").write_text("")
    (tmp_path / "fused").mkdir()
    config = load_config(
        written(
            tmp_path,
            f"dataset: {{root: '{root.name}'}}\n"
            "sources:\n"
            "  - {name: piafusion, train: {network: {illumination: light.pth, start: he}}}\n"
            "  - {name: sage, train: {labels: average}}\n"
            "  - {name: a2rnet, train: {labels: fused, init: first.safetensors}}\n"
            "  - {name: regionfuse, train: {init: shipped}}\n"
            "  - {name: ship, train: true}\n"
            "  - average",
        )
    )
    trains = {source.name: source.train for source in config.sources}
    assert trains["piafusion"].network == {"illumination": str(tmp_path / "light.pth"), "start": "he"}
    assert config.sources[1].teacher(["average"]) == "average"
    assert trains["a2rnet"].labels == tmp_path / "fused"
    assert trains["a2rnet"].init == tmp_path / "first.safetensors"
    assert trains["regionfuse"].init == "shipped" and trains["ship"].init is None
    assert build_config(dump_config(config), base=Path("/")) == config


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ("{network: {illumination: light.pth}}", "sources.piafusion.train.network.illumination: .*not exist"),
        ("{init: first.pt}", "sources.piafusion.train.init: .*not exist"),
        ("{labels: nowhere}", "sources.piafusion.train.labels: .*not exist"),
        ("{labels: averag}", "no source or folder averag; 'average'\\?"),
    ],
)
def test_files_of_a_training_that_are_not_there(tmp_path: Path, root: Path, train: str, words: str) -> None:
    text = f"dataset: {{root: '{root.name}'}}\nsources: [average, {{name: piafusion, train: {train}}}]"
    with pytest.raises(ConfigError, match=words):
        load_config(written(tmp_path, text))
