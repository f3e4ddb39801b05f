"""Whether a method has seen the test images: by name of the data set and by content of the files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regionfuse.datasets.errors import MethodError
from regionfuse.datasets.images import write_png
from regionfuse.datasets.leakage import Leakage
from regionfuse.datasets.records import Pair, PairSet
from regionfuse.datasets.splits import Split
from regionfuse.fusion.contamination import TrainingData, contamination, stated_by_weights, training_data
from regionfuse.fusion.regionfuse.method import SHIPPED
from regionfuse.pipeline.config import Config
from regionfuse.pipeline.contamination import contaminated
from regionfuse.pipeline.workload import Workload

HASHES = [hashlib.sha256(bytes([number])).hexdigest() for number in range(5)]


def short(*numbers: int) -> frozenset[str]:
    return frozenset(HASHES[number][:16] for number in numbers)


@pytest.mark.parametrize(
    ("names", "test_set", "flagged"),
    [
        (("M3FD",), "m3fd", True),
        (("M³FD",), "m3fd", True),
        (("m3-fd",), "M3FD", True),
        (("M3FD (4200 pairs)",), "m3fd", True),
        (("FLIR-aligned",), "flir", True),
        (("Road Scene",), "roadscene", True),
        (("MSRS",), "m3fd", False),
        (("FMB", "MSRS"), "msrs", True),
        (("unknown: see the authors' paper",), "m3fd", False),
        (("folders",), "folders", False),
        (("M3FD_Fusion",), "m3fd", True),
        (("",), "", False),
        ((), "m3fd", False),
    ],
)
def test_names_of_data_sets(names: tuple[str, ...], test_set: str, flagged: bool) -> None:
    found = contamination(TrainingData(names), [test_set], HASHES)
    assert bool(found) is flagged
    if flagged:
        assert found == f"trained on {names[0] if names[0] != 'FMB' else 'MSRS'} (which images is not known)"


@pytest.mark.parametrize(
    ("name", "test_set", "why"),
    [
        ("RoadScene", "flir", "RoadScene is cut from FLIR's video"),
        ("FLIR-aligned", "roadscene", "RoadScene is cut from FLIR's video"),
        ("MFNet", "msrs", "MSRS is selected from MFNet"),
        ("msrs", "MFNet", "MSRS is selected from MFNet"),
        ("m3fd", "M3FD_Fusion", "both parts of M3FD are of the same recordings"),
    ],
)
def test_related_sets_are_named_even_where_the_files_are_known(name: str, test_set: str, why: str) -> None:
    """The files of a related set are other files, so that their hashes clear nobody."""
    for data in (TrainingData((name,)), TrainingData((name,), short(0))):
        assert contamination(data, [test_set], HASHES[1:]) == f"trained on {name} ({why})"
    assert contamination(TrainingData(("MSRS",)), ["flir"], HASHES) == ""


def test_near_duplicates_count_beside_equal_files() -> None:
    data = TrainingData(("own",), short(0))
    assert contamination(data, ["m3fd"], HASHES, 2) == (
        "1 of 5 test images seen in training, near-duplicates of 2 more"
    )
    assert contamination(data, ["m3fd"], HASHES[1:], 2) == (
        "near-duplicates of 2 of 4 test images seen in training"
    )


def test_known_files_count_and_overrule_names() -> None:
    assert contamination(TrainingData(("M3FD",), short(0, 3)), ["m3fd"], HASHES[2:]) == (
        "1 of 3 test images seen in training"
    )
    assert contamination(TrainingData(("other",), short(0, 1, 2, 3, 4)), ["m3fd"], HASHES) == (
        "5 of 5 test images seen in training"
    )
    # the files are known and none is a test image: the name of the data set is no longer a suspicion
    assert contamination(TrainingData(("M3FD",), short(0, 1)), ["m3fd"], HASHES[2:]) == ""


def test_data_of_weights_that_were_trained_further() -> None:
    first, second = TrainingData(("a",), short(0)), TrainingData(("b", "a"), short(1))
    assert first | second == TrainingData(("a", "b"), short(0, 1))
    mixed = first | TrainingData(("M3FD",))  # some of its files are not known
    assert (mixed.images, mixed.unlisted) == (short(0), ("M3FD",))
    assert contamination(mixed, ["m3fd"], HASHES[1:]) == "trained on M3FD (which images is not known)"
    assert contamination(mixed, ["a"], HASHES[1:]) == ""
    assert contamination(mixed, ["a"], HASHES) == f"1 of {len(HASHES)} test images seen in training"
    assert first | TrainingData() == first


def test_card_beside_a_weights_file(tmp_path: Path) -> None:
    weights = tmp_path / "net.pth"
    card = tmp_path / "net.pth.json"
    assert stated_by_weights(weights) == TrainingData()
    card.write_text(json.dumps({"trained_on": "MSRS", "training_images": [HASHES[0].upper()]}))
    assert stated_by_weights(weights) == TrainingData(("MSRS",), short(0))
    for text in ("[1]", "{", '{"trained_on": 3}'):
        card.write_text(text)
        assert stated_by_weights(weights) == TrainingData()


def test_a_card_that_lists_no_hashes_does_not_clear_the_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for images in (["00001.png"], [HASHES[0][:8]], [HASHES[0], "x"]):
        (tmp_path / "net.pth.json").write_text(
            json.dumps({"trained_on": ["M3FD"], "training_images": images})
        )
        stated = stated_by_weights(tmp_path / "net.pth")
        assert stated == TrainingData(("M3FD",))
        assert "trained on M3FD" in contamination(stated, ["m3fd"], HASHES[1:])
        assert "expected SHA-256 sums" in caplog.messages[-1]
    card = {
        "trained_on": ["a", "M3FD"],
        "training_images": [HASHES[0]],
        "training_images_unknown_of": ["M3FD"],
    }
    (tmp_path / "net.pth.json").write_text(json.dumps(card))
    assert stated_by_weights(tmp_path / "net.pth").unlisted == ("M3FD",)


def test_cards_of_methods(tmp_path: Path) -> None:
    assert training_data("average") == TrainingData()
    assert training_data("ship:published").names == ("M3FD",)
    assert training_data("ship", tmp_path / "ship.pth").names == ("M3FD",)  # without reading the file
    stated = json.loads(SHIPPED.with_name(SHIPPED.name + ".json").read_text(encoding="utf-8"))
    assert training_data("regionfuse").images == frozenset(stated["training_images"])
    folder = training_data(f"folder:{tmp_path}", options={"trained_on": ["TNO"]})
    assert folder == TrainingData(("TNO",))
    with pytest.raises(MethodError, match="there is no file"):
        training_data(f"{tmp_path}/none.py:A")


def texture(seed: int) -> np.ndarray:
    return np.kron(np.random.default_rng(seed).integers(0, 255, (8, 8)), np.ones((8, 8))).astype(np.uint8)


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    """Eight pairs; numbers 6 and 7 are byte for byte the same."""
    pairs, hashes = [], {}
    for number in range(8):
        files = tmp_path / "set" / "ir" / f"{number}.png", tmp_path / "set" / "vi" / f"{number}.png"
        for path in files:
            write_png(path, texture(min(number, 6)))
            hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        pairs.append(Pair(str(number), *files, 64, 64))
    return Workload(PairSet("m3fd", tmp_path / "set", tuple(pairs), ()), (), hashes)


def split_of(train: str, test: str) -> Split:
    return Split("list", 0, "m3fd", 0, tuple(train), (), tuple(test), (), Leakage(()))


def config_of(tmp_path: Path, sources: list[dict[str, object]], **fusion: object) -> Config:
    return Config.model_validate({"dataset": {"root": tmp_path}, "sources": sources, "fusion": fusion})


def test_sources_of_a_run(workload: Workload, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = tmp_path / "mine.pth"
    images = [workload.hashes[workload.pairs[stem].visible][:16] for stem in "0123"]
    (tmp_path / "mine.pth.json").write_text(json.dumps({"trained_on": ["own"], "training_images": images}))
    sources: list[dict[str, object]] = [
        {"name": "average"},
        {"name": "ship", "weights": tmp_path / "ship.pth"},
        {"name": "sage", "weights": tmp_path / "sage.pth"},
        {"name": "mine", "method": "cddfuse", "weights": weights},
        {"name": "elsewhere", "method": f"folder:{tmp_path}", "options": {"trained_on": ["M3FD"]}},
        {"name": "absent", "method": f"{tmp_path}/absent.py:A"},
        {"name": "regionfuse"},
    ]
    found = contaminated(config_of(tmp_path, sources, epochs=1), workload, split_of("456", "23"))
    assert found == {
        "ship": "trained on M3FD (which images is not known)",
        "mine": "2 of 2 test images seen in training",
        "elsewhere": "trained on M3FD (which images is not known)",
    }
    assert "mine: 2 of 2 test images seen in training; its scores" in caplog.text
    assert "absent: what it was trained on is not known" in caplog.text


def test_training_in_the_run_is_known_before_it(workload: Workload, tmp_path: Path) -> None:
    """Pair 7 is a copy of pair 6: whoever trains on one has seen the other."""
    sources: list[dict[str, object]] = [{"name": "regionfuse"}]
    split = split_of("456", "37")
    assert contaminated(config_of(tmp_path, sources, epochs=1), workload, split) == {
        "regionfuse": "1 of 2 test images seen in training"
    }
    init = tmp_path / "init.safetensors"
    first = workload.hashes[workload.pairs["3"].visible]
    init.with_name("init.safetensors.json").write_text(
        json.dumps({"trained_on": ["m3fd"], "training_images": [first]})
    )
    assert contaminated(config_of(tmp_path, sources, epochs=1, init=init), workload, split) == {
        "regionfuse": "2 of 2 test images seen in training"
    }


def test_what_a_teacher_and_a_classifier_have_seen_counts(workload: Workload, tmp_path: Path) -> None:
    images = [workload.hashes[workload.pairs[stem].visible][:16] for stem in "03"]
    for name in ("teacher.pth", "light.safetensors"):
        card = tmp_path / f"{name}.json"
        card.write_text(json.dumps({"trained_on": ["own"], "training_images": images}))
    classifier = {"network": {"illumination": str(tmp_path / "light.safetensors")}}
    official = {"network": {"illumination": str(tmp_path / "best_cls.pth")}}
    sources: list[dict[str, object]] = [
        {"name": "teacher", "method": "cddfuse", "weights": tmp_path / "teacher.pth"},
        {"name": "ship", "weights": tmp_path / "ship.pth"},
        {"name": "pupil", "method": "sage", "train": {"labels": "teacher"}},
        {"name": "pupil-of-ship", "method": "sage", "train": {"labels": "ship"}},
        {"name": "clean", "method": "sage", "train": {"labels": "average"}},
        {"name": "lit", "method": "piafusion", "train": classifier},
        {"name": "lit-officially", "method": "piafusion", "train": official},
        {"name": "average"},
    ]
    seen = "1 of 2 test images seen in training"
    unknown = "trained on M3FD (which images is not known)"
    config = config_of(tmp_path, sources)
    assert contaminated(config, workload, split_of("12", "35")) == {
        "teacher": seen,
        "ship": unknown,
        "pupil": seen,
        "pupil-of-ship": unknown,
        "lit": seen,
    }
    msrs = replace(workload, pairs=PairSet("msrs", tmp_path / "set", workload.pairs.pairs, ()))
    found = contaminated(config, msrs, split_of("12", "45"))
    # The authors' classifier was trained on MSRS, and so was one of which nothing is known.
    assert found == {"lit-officially": "trained on MSRS (which images is not known)"}


def test_extra_pairs_are_compared_by_content(workload: Workload, tmp_path: Path) -> None:
    """An extra set holds a test image encoded anew; its hash is another, its content is not."""
    copies, hashes = [], dict(workload.hashes)
    for number, seed in enumerate((3, 50)):
        files = tmp_path / "extra" / "ir" / f"x{number}.png", tmp_path / "extra" / "vi" / f"x{number}.png"
        for path in files:
            write_png(path, np.clip(texture(seed) * 0.9 + 3, 0, 255).astype(np.uint8))
            hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        copies.append(Pair(f"x{number}", *files, 64, 64))
    extra = PairSet("own", tmp_path / "extra", tuple(copies))
    both = replace(workload, extra=(extra,), hashes=hashes)
    config = config_of(tmp_path, [{"name": "regionfuse"}, {"name": "average"}], epochs=1)
    found = contaminated(config, both, split_of("456", "23"), tmp_path / "signatures.npz")
    assert found == {"regionfuse": "near-duplicates of 1 of 2 test images seen in training"}
    assert (tmp_path / "signatures-extra1.npz").is_file() and (tmp_path / "signatures.npz").is_file()
    alone = replace(both, extra=(PairSet("own", tmp_path / "extra", (copies[1],)),))
    assert contaminated(config, alone, split_of("456", "23")) == {}


def test_images_that_a_card_lists_are_compared_where_they_are_at_hand(
    workload: Workload, tmp_path: Path
) -> None:
    """Pair 5 shows what test image 2 shows; weights that saw 5 elsewhere have as good as seen 2."""
    pairs = workload.pairs
    for path in (pairs["5"].infrared, pairs["5"].visible):
        write_png(path, np.clip(texture(2) * 0.9 + 3, 0, 255).astype(np.uint8))
        workload.hashes[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "mine.pth.json").write_text(
        json.dumps({"trained_on": ["own"], "training_images": [workload.hashes[pairs["5"].visible]]})
    )
    config = config_of(tmp_path, [{"name": "mine", "method": "cddfuse", "weights": tmp_path / "mine.pth"}])
    assert contaminated(config, workload, split_of("46", "23")) == {
        "mine": "near-duplicates of 1 of 2 test images seen in training"
    }
    # In the run's own train split it is the split's leakage, the same for every source.
    assert contaminated(config, workload, split_of("456", "23")) == {}
