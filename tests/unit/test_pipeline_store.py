"""Units on disk: addressed by content, whole or absent, continued after a kill."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from regionfuse.datasets.errors import MethodError, RegionFuseError, StorageError
from regionfuse.pipeline.console import Screen
from regionfuse.pipeline.execute import Outcome, execute
from regionfuse.pipeline.fingerprint import FileHashes
from regionfuse.pipeline.publish import publish
from regionfuse.pipeline.store import Progress, Store, Unit, locked


def unit(name: str, params: dict[str, Any] | None = None, needs: tuple[Unit, ...] = (), **more: Any) -> Unit:
    def action(work: Path, progress: Progress) -> None:
        (work / "result.txt").write_text(name)

    return Unit("stage", name, params or {}, more.pop("action", action), needs, **more)


def silent(done: int, total: int, message: str) -> None:
    """Report nothing."""


def run(units: list[Unit], store: Store) -> Outcome:
    outcome = Outcome()
    execute(units, store, Screen(-1), outcome)
    return outcome


def test_the_key_follows_parameters_versions_and_needs() -> None:
    base = unit("a", {"x": 1})
    assert base.key == unit("another name", {"x": 1}).key
    assert base.key != unit("a", {"x": 2}).key
    assert base.key != unit("a", {"x": 1}, version=2).key
    assert unit("b", needs=(base,)).key != unit("b", needs=(unit("a", {"x": 2}),)).key


def test_a_finished_unit_is_not_done_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    calls = []

    def action(work: Path, progress: Progress) -> None:
        calls.append(work)

    for _ in range(2):
        outcome = run([unit("a", action=action)], store)
    assert len(calls) == 1
    assert outcome.reused == 1


def test_the_same_work_under_another_name_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run([unit("a", {"x": 1})], store)
    assert store.is_done(unit("b", {"x": 1}))
    assert (store.folder(unit("b", {"x": 1})) / "result.txt").read_text() == "a"


def test_what_a_killed_unit_left_is_handed_to_its_successor(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def killed(work: Path, progress: Progress) -> None:
        (work / "half.txt").write_text("half")
        raise KeyboardInterrupt

    def goes_on(work: Path, progress: Progress) -> None:
        (work / "whole.txt").write_text((work / "half.txt").read_text() + " and half")

    with pytest.raises(KeyboardInterrupt):
        run([unit("a", action=killed)], store)
    assert not store.is_done(unit("a"))
    run([unit("a", action=goes_on)], store)
    assert (store.folder(unit("a")) / "whole.txt").read_text() == "half and half"
    assert not list((tmp_path / "units" / ".partial").iterdir())


def test_a_failure_costs_only_what_builds_on_it(tmp_path: Path) -> None:
    def fails(work: Path, progress: Progress) -> None:
        raise MethodError("mine: returned NaN\nin image 3")

    bad = unit("bad", {"n": 1}, action=fails)
    child = unit("child", {"n": 2}, needs=(bad,))
    good = unit("good", {"n": 3})
    outcome = run([bad, child, good], Store(tmp_path))
    assert outcome.failed == {
        bad.key: "mine: returned NaN in image 3",
        child.key: "mine: returned NaN in image 3",
    }
    assert outcome.done == {good.key}


def test_a_bug_keeps_its_traceback_in_a_file(tmp_path: Path) -> None:
    def fails(work: Path, progress: Progress) -> None:
        raise ZeroDivisionError("oops")

    bad = unit("bad", action=fails)
    outcome = run([bad], Store(tmp_path))
    assert outcome.failed[bad.key] == "ZeroDivisionError: oops"
    assert "Traceback" in next((tmp_path / "errors").iterdir()).read_text()


def test_a_full_disk_stops_everything_with_one_line(tmp_path: Path) -> None:
    def full(work: Path, progress: Progress) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(work / "x.png"))

    with pytest.raises(StorageError, match=r"disk is full.*run the same command again"):
        run([unit("a", action=full), unit("b", {"n": 1})], Store(tmp_path))


def test_a_read_only_place_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match=r"cannot write.*--out"):
        Store(tmp_path / "run")


def test_a_place_that_cannot_be_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/regionfuse")):
        with pytest.raises(StorageError, match=r"cannot work in this folder.*--out"), locked(place):
            pass


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StorageError, match="another regionfuse process"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_warnings_are_stored_with_the_unit(tmp_path: Path) -> None:
    def warns(work: Path, progress: Progress) -> None:
        logging.getLogger("regionfuse.test").warning("the %s is odd", "image")

    store = Store(tmp_path)
    run([unit("a", action=warns)], store)
    assert store.record(unit("a"))["warnings"] == ["the image is odd"]


def test_a_damaged_record_says_what_to_do(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run([unit("a")], store)
    (store.folder(unit("a")) / "unit.json").write_text("{")
    with pytest.raises(StorageError, match="delete its folder"):
        store.is_done(unit("a"))


def test_publishing_links_and_removes_what_is_no_longer_wanted(tmp_path: Path) -> None:
    origin = tmp_path / "units" / "x.png"
    origin.parent.mkdir()
    origin.write_bytes(b"picture")
    publish(tmp_path, {"fused/a/test/1.png": origin, "fused/b/test/1.png": origin})
    assert (tmp_path / "fused/b/test/1.png").samefile(origin)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "kept.csv").write_text("")
    publish(tmp_path, {"fused/a/test/1.png": origin}, keep=("tables/kept.csv",))
    assert not (tmp_path / "fused" / "b").exists()
    assert (tmp_path / "fused/a/test/1.png").read_bytes() == b"picture"
    assert (tmp_path / "tables" / "kept.csv").exists()


def test_file_hashes_notice_a_changed_file_and_survive_a_damaged_memory(tmp_path: Path) -> None:
    path, memory = tmp_path / "a.bin", tmp_path / "hashes.json"
    path.write_bytes(b"one")
    first = FileHashes(memory).of([path])[path]
    assert FileHashes(memory).of([path])[path] == first
    assert json.loads(memory.read_text())
    path.write_bytes(b"three")
    assert FileHashes(memory).of([path])[path] != first
    memory.write_text("{")
    path.write_bytes(b"one")
    assert FileHashes(memory).of([path])[path] == first


def test_a_missing_input_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RegionFuseError, match="cannot be read"):
        FileHashes(tmp_path / "hashes.json").of([tmp_path / "none.png"])
