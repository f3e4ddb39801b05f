"""Methods by name: what exists, what is near, what defines an output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from regionfuse.datasets.errors import MethodError
from regionfuse.fusion import registry
from regionfuse.fusion.names import Builtin
from regionfuse.fusion.registry import BUILTINS, cards, create, fingerprint, names

PLUGIN = """
from regionfuse.fusion.card import MethodCard
from regionfuse.fusion.contract import FusionMethod
from helper import SHARE

class Mixed(FusionMethod):
    card = MethodCard(name="mixed", title="Mixed", kind="external")
    def __init__(self, share=SHARE, weights=None):
        self.share, self.weights = share, weights
    def fuse(self, infrared, visible):
        return self.share * infrared + (1 - self.share) * visible
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "mein Verfahren ü"
    folder.mkdir()
    (folder / "helper.py").write_text("SHARE = 0.25\n")
    (folder / "mixed.py").write_text(PLUGIN)
    return folder / "mixed.py"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two entry points, as pip would leave it: one works, one does not import."""
    site = tmp_path / "site"
    info = site / "fusionplug-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fusionplug\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[regionfuse.methods]\nplugged = fusionplug_code:Mixed\nbroken = fusionplug_absent:Nothing\n"
    )
    (site / "fusionplug_code.py").write_text(PLUGIN.replace("from helper import SHARE", "SHARE = 0.5"))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "fusionplug_code", raising=False)
    return site


def test_names_import_nothing_heavy() -> None:
    code = (
        "import sys; from regionfuse.fusion.registry import fingerprint, names; print(*names());"
        "fingerprint('average');"
        "assert not {'torch', 'cv2', 'numpy', 'pandas'} & set(sys.modules), 'heavy import'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[: len(BUILTINS)] == list(BUILTINS)


@pytest.mark.parametrize("name", ["visible", "infrared", "average", "maximum", "laplacian", "guided"])
def test_built_in_methods_are_what_they_say(name: str) -> None:
    method = create(name)
    assert method.card.name == name
    assert method.network is None
    assert len(fingerprint(name)) == 64


def test_cards_cover_the_built_in_methods() -> None:
    found = cards()
    assert set(BUILTINS) <= set(found)
    assert found["visible"].kind == found["infrared"].kind == "control"
    assert all(found[name].citation for name in ("laplacian", "guided"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("laplace", "did you mean 'laplacian'"),
        ("Average", "did you mean 'average'"),
        ("zzz", "folder:PATH or command:"),
        ("", "Known: visible"),
    ],
)
def test_unknown_names_get_a_hint(spec: str, message: str) -> None:
    for function in (create, fingerprint):
        with pytest.raises(MethodError, match=message):
            function(spec)


def test_python_file_with_a_neighbour(plugin: Path) -> None:
    method = create(f"{plugin}:Mixed")
    assert method.share == 0.25  # type: ignore[attr-defined]
    assert create(str(plugin)).card.name == "mixed"
    assert "helper" not in sys.modules
    assert str(plugin.parent) not in sys.path


def test_two_files_with_neighbours_of_one_name(plugin: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "helper.py").write_text("SHARE = 0.75\n")
    (other / "mixed.py").write_text(PLUGIN)
    shares = [create(f"{path}:Mixed").share for path in (plugin, other / "mixed.py")]  # type: ignore[attr-defined]
    assert shares == [0.25, 0.75]


def test_options_and_weights_reach_the_constructor(plugin: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"1")
    method = create(f"{plugin}:Mixed", weights=weights, options={"share": 0.5})
    assert (method.share, method.weights) == (0.5, weights)  # type: ignore[attr-defined]
    with pytest.raises(MethodError, match="no option 'shar'; did you mean 'share'"):
        create(f"{plugin}:Mixed", options={"shar": 1})
    with pytest.raises(MethodError, match="do not exist"):
        create(f"{plugin}:Mixed", weights=tmp_path / "absent")
    with pytest.raises(MethodError, match="no option 'weights'"):
        create("average", weights=weights)


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        ("x = 1", ":Missing", "has no class 'Missing'"),
        ("x = 1", ":x", "expected a subclass of .*FusionMethod"),
        ("x = 1", "", "expected one subclass of FusionMethod, found none"),
        ("import nonexistent_thing", ":A", "does not import: ModuleNotFoundError"),
        ("def broken(:", ":A", "does not import: SyntaxError"),
        ("raise SystemExit(3)", ":A", "does not import: SystemExit"),
        (PLUGIN.split("def fuse")[0].replace("from helper import SHARE", "SHARE = 1"), ":Mixed", "no fuse"),
        (
            PLUGIN.replace("from helper import SHARE", "SHARE = 1").replace("card = M", "kart = M"),
            ":Mixed",
            "expected a MethodCard in the attribute 'card'",
        ),
        (
            PLUGIN.replace("from helper import SHARE", "SHARE = 1").replace("self.share,", "1 / 0;"),
            ":Mixed",
            "could not be constructed: ",
        ),
    ],
)
def test_python_files_that_are_no_method(tmp_path: Path, text: str, spec: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(MethodError, match=message) as caught:
        create(f"{path}{spec}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="there is no file"):
        create(f"{tmp_path}/absent.py:A")


def test_entry_points(installed: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert {"plugged", "broken"} <= set(names())
    assert create("plugged").card.name == "mixed"
    with pytest.raises(MethodError, match=r"broken .*does not import: ModuleNotFoundError"):
        create("broken")
    found = cards()
    assert "plugged" in found
    assert "broken" not in found
    assert "fusionplug_absent" in caplog.text
    with pytest.raises(MethodError, match="did you mean 'plugged'"):
        create("pluged")


def test_fingerprint_of_an_installed_method_follows_its_code(installed: Path) -> None:
    before = fingerprint("plugged")
    assert fingerprint("plugged") == before
    with (installed / "fusionplug_code.py").open("a") as stream:
        stream.write("# changed\n")
    assert fingerprint("plugged") != before


def test_fingerprint_of_a_file_follows_what_it_imports(plugin: Path) -> None:
    spec = f"{plugin}:Mixed"
    before = fingerprint(spec)
    (plugin.parent / "unrelated.py").write_text("1")
    assert fingerprint(spec) == before
    (plugin.parent / "helper.py").write_text("SHARE = 0.3\n")
    changed = fingerprint(spec)
    assert changed != before
    plugin.write_text(PLUGIN + "\n# note\n")
    assert fingerprint(spec) not in (before, changed)


def test_fingerprint_of_a_name_follows_version_weights_and_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"1")
    seen = {fingerprint("regionfuse"), fingerprint("regionfuse", weights)}
    weights.write_bytes(b"2")
    seen |= {fingerprint("regionfuse", weights), fingerprint("regionfuse", options={"preset": "tiny"})}
    seen |= {fingerprint("average"), fingerprint("maximum")}
    newer = Builtin(".methods.trivial", "Average", version=99)
    monkeypatch.setattr("regionfuse.fusion.fingerprint.BUILTINS", {**BUILTINS, "average": newer})
    seen.add(fingerprint("average"))
    assert len(seen) == 7
    with pytest.raises(MethodError, match="do not exist"):
        fingerprint("average", tmp_path / "absent")


def test_fingerprint_of_a_folder_follows_its_images(tmp_path: Path) -> None:
    spec = f"folder:{tmp_path}"
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / "notes.txt").write_text("x")
    before = fingerprint(spec)
    (tmp_path / "notes.txt").write_text("yy")
    assert fingerprint(spec) == before
    os.utime(tmp_path / "a.png", ns=(1, 1))
    after = fingerprint(spec)
    assert after != before
    (tmp_path / "b.png").write_bytes(b"1")
    assert fingerprint(spec) not in (before, after)
    with pytest.raises(MethodError, match="no folder"):
        fingerprint(f"folder:{tmp_path}/absent")


def test_fingerprint_of_a_command_follows_its_script(tmp_path: Path) -> None:
    script = tmp_path / "my script.py"
    script.write_text("1")
    spec = f"command:python '{script}' {{infrared}} {{visible}} {{out}}"
    before = fingerprint(spec)
    assert fingerprint(spec + " --fast") != before
    script.write_text("2")
    assert fingerprint(spec) != before


def test_cards_of_folders_and_commands(tmp_path: Path) -> None:
    folder = tmp_path / "DDFM Résultats"
    folder.mkdir()
    card = create(f"folder:{folder}").card
    assert (card.name, card.title, card.kind, card.color) == (
        "ddfm-r-sultats",
        "DDFM Résultats",
        "external",
        "rgb",
    )
    named = create(f"folder:{folder}", options={"name": "ddfm", "title": "DDFM", "trained_on": ["MSRS"]}).card
    assert (named.name, named.title, named.trained_on) == ("ddfm", "DDFM", ("MSRS",))
    command = create("command:python x/fuse_all.py {infrared} {visible} {out}").card
    assert command.name == "fuse_all"
    with pytest.raises(MethodError, match="no option 'titel'; did you mean 'title'"):
        create(f"folder:{folder}", options={"titel": "DDFM"})
    with pytest.raises(MethodError, match="takes no weights"):
        create(f"folder:{folder}", weights=folder)
    with pytest.raises(MethodError, match="found nothing at"):
        create(f"folder:{folder}/absent")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("python a.py {infrared} {out}", r"\{visible\} missing"),
        ("", r"\{infrared\}, \{visible\}, \{out\} missing"),
        ("python 'a.py {infrared} {visible} {out}", "check the quotes"),
    ],
)
def test_commands_that_cannot_work(command: str, message: str) -> None:
    with pytest.raises(MethodError, match=message):
        create(f"command:{command}")


def test_a_method_without_weights_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from regionfuse.fusion.contract import FusionMethod

    class Empty(FusionMethod):
        def __init__(self, weights: Path | None = None) -> None:
            raise MethodError("no weights")

        def fuse(self, infrared, visible):  # type: ignore[no-untyped-def]
            return visible

    monkeypatch.setattr(registry, "load_class", lambda _: Empty)
    record = registry.describe("regionfuse")
    assert (record["name"], record["title"], record["status"]) == ("regionfuse", "RegionFuse", "trainable")
    assert record["parameters"] is None
    assert cards()["regionfuse"].kind == "learned"
    with pytest.raises(MethodError):
        registry.describe("regionfuse", weights=tmp_path / "absent")


def test_describe_has_what_a_listing_needs() -> None:
    pytest.importorskip("regionfuse.fusion.efficiency")
    record = registry.describe("laplacian")
    assert record["status"] == "ready"
    assert record["parameters"] == 0
    assert record["multiply_accumulates"] is not None
    assert {"name", "title", "kind", "citation", "color", "trained_on"} <= record.keys()


def test_cards_say_where_a_method_comes_from() -> None:
    """Whoever cites a table needs the citation, its year, and what the weights may be used for."""
    for name, card in cards().items():
        if name not in BUILTINS or card.kind in ("control", "trivial"):
            continue
        assert card.citation and card.year and card.code_license, name
        assert name == "piafusion-xrestormer" or card.bibtex.startswith("@"), name
        if card.kind == "learned":
            assert card.weights_from, name
