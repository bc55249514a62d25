"""What somebody else's run or data set names: no code of it is imported, and nothing outside is
opened unasked.
"""

import dataclasses
import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from imgtrans_jax.config import experiment as config
from imgtrans_jax.config import trust
from imgtrans_jax.config.experiment import Evaluation, Experiment
from imgtrans_jax.config.overrides import override
from imgtrans_jax.config.stored import from_json, named_outside, to_json
from imgtrans_jax.data import captions, datasets, derived, digits, labelled, pairs, sources
from imgtrans_jax.data.datasets import Labelled, Paired, SelfPaired, Unpaired
from imgtrans_jax.data.pairs import SideBySide, TfdsPairs, TwoFolders
from imgtrans_jax.data.sources import Folder, Tfds
from imgtrans_jax.evaluation.compare import compare
from imgtrans_jax.inference.generator_file import save_generator
from imgtrans_jax.inference.load import load_generator
from imgtrans_jax.types import Opens, UserError

GOLDEN = Path(__file__).parents[1] / "golden"
IMAGE = {"pythonClassName": "tensorflow_datasets.core.features.image_feature.Image", "image": {}}
EVIL = {"pythonClassName": "payload.Feature", "jsonFeature": {"json": "{}"}}


def nested(features: dict, key: str = "pythonClassName") -> dict:
    own = "tensorflow_datasets.core.features.features_dict.FeaturesDict"
    return {key: own, "features": {"features": {"image": features}}}


FEATURES = {
    "features.json": {"features.json": EVIL},
    "features.json, within": {"features.json": nested(EVIL)},
    "features.json, another spelling": {
        "features.json": {"python_class_name": "payload.Feature", "jsonFeature": {"json": "{}"}}
    },
    "features.json, the old form": {"features.json": {"type": "payload.Feature", "content": {}}},
    "features.json, in a sequence": {
        "features.json": nested(
            {
                "pythonClassName": "tensorflow_datasets.core.features.sequence_feature.Sequence",
                "sequence": {"feature": EVIL, "length": "-1"},
            }
        )
    },
    "dataset_info.json": {
        "features.json": nested(IMAGE),
        "dataset_info.json": {"features": nested(EVIL)},
    },
    "no JSON": {"features.json": "{"},
    "a list": {"features.json": []},
    "deep": {"features.json": "[" * 5000 + "]" * 5000},
    "deep features": {"features.json": None},
    "no text": {"features.json": b"\xff\xfe\x00"},
}


@pytest.fixture
def payload(tmp_path, monkeypatch):
    """A module that anybody can import from where the program was started, and what it would leave
    behind.
    """
    mark = tmp_path / "executed"
    (tmp_path / "payload.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(trust, "_OWN", str(tmp_path / "own_paths.txt"))
    yield mark
    sys.modules.pop("payload", None)
    assert not mark.exists()


def data_set(folder: Path, files: dict) -> str:
    """A prepared data set `evil` in the folder, with some of its files as given; returns its
    data_dir.
    """
    inner = folder / "data" / "evil" / "1.0.0"
    inner.mkdir(parents=True)
    split = {
        "name": "train",
        "numBytes": "1",
        "shardLengths": ["1"],
        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}",
    }
    info = {"name": "evil", "version": "1.0.0", "fileFormat": "array_record", "splits": [split]}
    for name, content in {"dataset_info.json": info, **files}.items():
        if name == "features.json" and content is None:
            content = EVIL
            for _ in range(200):
                content = nested(content)
        if name == "dataset_info.json":
            content = info | content
        raw = (
            content
            if isinstance(content, bytes)
            else (content if isinstance(content, str) else json.dumps(content)).encode()
        )
        (inner / name).write_bytes(raw)
    return str(folder / "data")


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::UserWarning"
)
@pytest.mark.parametrize("files", FEATURES.values(), ids=FEATURES)
def test_a_data_set_s_folder_imports_nothing(files, payload, tmp_path):
    data_dir = data_set(tmp_path, files)
    for source in (
        Tfds("evil", data_dir=data_dir),
        Tfds("evil:1.0.0", data_dir=data_dir),
        Tfds(f"evil/data_dir={data_dir}"),
    ):
        with pytest.raises(
            UserError,
            match=r"not tensorflow-datasets' own; it was not imported|cannot be read|knows no",
        ):
            source.open("a", 8, 3)
    assert "payload" not in sys.modules


# ----------------------------------------------------------------------- what a stored config names

OUTSIDE = [
    Unpaired(a="/stranger", b="/stranger"),
    Unpaired(a=Folder("stranger"), b="x"),
    Unpaired(a=Tfds("mnist", data_dir="/stranger")),
    Unpaired(a=Tfds("stranger:mnist")),
    Unpaired(a=Tfds("mnist/data_dir=/stranger")),
    Unpaired(a=pairs.OneSide(SideBySide("/stranger"), "a")),
    Unpaired(a=pairs.OneSide("/stranger", "a")),
    Paired(pairs="/stranger"),
    Paired(pairs=TwoFolders("/stranger", "/x")),
    Paired(a="/stranger", b="/x"),
    Paired(TfdsPairs("x", "a", "b", data_dir="/stranger")),
    SelfPaired(pictures="/stranger"),
    Labelled(pictures="/stranger"),
    Labelled(labelled.ClassFolders("/stranger")),
    Labelled(labelled.TfdsLabelled(data_dir="/stranger")),
]


def stored(data: datasets.Data, path: Path) -> Path:
    """A stranger's generator: a file of ours whose config names the data."""
    found = load_generator(GOLDEN / "latest_net_G_A.pth")
    save_generator(
        dataclasses.replace(found, experiment=dataclasses.replace(found.experiment, data=data)),
        path,
    )
    return path


@pytest.mark.parametrize("data", OUTSIDE, ids=lambda data: repr(data)[:80])
def test_what_a_stranger_s_run_names_is_not_opened_unasked(data, payload, monkeypatch):
    def opens(self, *_):
        raise AssertionError(f"{self} was opened")

    for kind in (Unpaired, Paired, SelfPaired, Labelled):
        monkeypatch.setattr(kind, "open", opens)
    experiment = from_json(json.loads(json.dumps(to_json(Experiment(data=data)))))
    with pytest.raises(UserError, match=r"names config\.data\..*stranger.* `trust_paths`"):
        trust.opened(experiment)
    with pytest.raises(AssertionError, match="was opened"):
        trust.opened(experiment, trust_paths=True)
    trust.remember(experiment)  # as a training of the user's own does
    with pytest.raises(AssertionError, match="was opened"):
        trust.opened(experiment)


def test_a_field_that_the_user_gives_is_his(payload, pictures):
    experiment = Experiment(data=Unpaired("/stranger", str(pictures)))
    mine = override(experiment, "data.a", str(pictures))
    with pytest.raises(UserError, match=r"names config\.data\.b="):
        trust.opened(mine, given=["data.a"])
    assert trust.opened(
        override(mine, "data.b", str(pictures)), given=["data.a", "data.b"]
    ).counts()
    with pytest.raises(UserError, match=r"names config\.data\.a=/stranger"):
        trust.opened(override(experiment, "data.b", str(pictures)), given=["data.b"])


def test_names_that_lead_nowhere_need_no_trust(payload):
    assert named_outside(Experiment()) == {}
    assert (
        named_outside(Experiment(data=Unpaired(Tfds("cycle_gan/horse2zebra"), Tfds("mnist")))) == {}
    )
    assert named_outside(Experiment(init_from="x", evaluation=Evaluation(features="a.pth"))) == {
        "config.init_from": "x",
        "config.evaluation.features": "a.pth",
    }


def test_by_the_doors_of_the_commands(payload, tmp_path):
    data = Unpaired(Tfds("evil", data_dir=data_set(tmp_path, {"features.json": EVIL})))
    file = stored(data, tmp_path / "stranger.safetensors")
    with pytest.raises(UserError, match=r"`trust_paths` if it may be, or give `input=FOLDER`"):
        compare([file], None, tmp_path / "page.html")
    with pytest.raises(UserError, match="it was not imported"):
        compare([file], None, tmp_path / "page.html", trust_paths=True)
    assert not (tmp_path / "page.html").exists()


HARMLESS = {"train", "test", "key", "label", "layer", "layers", "best", "metrics", "groups", "kind"}
HARMLESS |= {
    "Pix2PixPairs.name",
    "TfdsPairs.a",
    "TfdsPairs.b",
    "Gatys.content_layers",
    "Gatys.style_layers",
    "FastStyle.content_layer",
    "FastStyle.learned",
    "FastStyle.look",
    "FastStyle.style_layers",
    "CUT.taps",
    "Contrast.of",
    "Contrast.taps",
    "Pix2Pix.content_layers",
    "Look.name",
    "StackGAN.texts",
}
"""Texts that are compared with what there is, and never opened."""


@pytest.mark.parametrize("trust_code", [False, frozenset({"mine:Net"})])
def test_the_folder_that_a_config_names_is_not_searched_for_the_package_s_own_modules(
    tmp_path, trust_code
):
    """Importing tfds_builder has tensorflow-datasets look for cv2, which is not installed here."""
    (tmp_path / "cv2.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    stored = {"type": "imgtrans_jax.data.tfds_builder:Builder", "from": str(tmp_path)}
    code = (
        f"from imgtrans_jax.config.stored import from_json; from_json({stored!r}, {trust_code!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "this version of imgtrans_jax does not have" in done.stderr
    assert not (tmp_path / "executed").exists()


def configurable() -> list[type]:
    modules = [config, datasets, sources, pairs, labelled, derived, captions, digits]
    modules += [
        sys.modules[name]
        for name in sorted(sys.modules)
        if name.startswith("imgtrans_jax.methods.")
    ]
    classes = {
        kind for module in modules for kind in vars(module).values() if isinstance(kind, type)
    }
    classes = {kind for kind in classes if dataclasses.is_dataclass(kind)} - {
        Opens,
        datasets.OpenedDataset,
    }
    return sorted(classes, key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("kind", configurable(), ids=lambda kind: kind.__name__)
def test_every_text_of_a_config_is_marked_or_known_to_open_nothing(kind):
    """A new field fails here, until it is one or the other."""
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        if (
            "str" not in str(hint)
            or typing.get_origin(hint) is typing.ClassVar
            or "Opens(" in str(hint)
        ):
            continue
        inner = [kind for kind in (typing.get_args(hint) or (hint,)) if kind is str]
        if not inner or (name in ("name", "parent") and "flax" in str(kind.__mro__)):
            continue
        assert name in HARMLESS or f"{kind.__name__}.{name}" in HARMLESS, (
            f"{kind.__name__}.{name}: {hint}"
        )


# -------------------------------------------------------------------------------------- wrong types


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", "4"),
        ("batch_size", [4]),
        ("batch_size", True),
        ("steps", 1.5),
        ("seed", None),
        ("data", {"type": "imgtrans_jax.data.pipeline:Paired", "a": 3}),
        ("data", {"type": "imgtrans_jax.data.pipeline:Unpaired", "a": ["x"]}),
        ("data", {"type": "imgtrans_jax.data.sources:Folder"}),
        ("data", "/x"),
        ("recipe", {"type": "imgtrans_jax.optim:Adam"}),
        ("recipe", None),
        ("mesh", [1, 2, 3]),
        ("mesh", 1),
        ("matmul_precision", "evil"),
        ("evaluation", {"type": "imgtrans_jax.config:Evaluation", "metrics": [["kid"]]}),
        ("evaluation", {"type": "imgtrans_jax.config:Evaluation", "metrics": "kid"}),
        ("init_from", 3),
        ("optimizer", {"type": ["x"]}),
        ("optimizer", {"ref": {"type": "x"}}),
        ("optimizer", {"ref": "imgtrans_jax.study:main"}),
        ("optimizer", {"ref": "imgtrans_jax.:main"}),
        ("optimizer", {"ref": "imgtrans_jax..x:main"}),
        ("optimizer", {"ref": "imgtrans_jax.\x00:main"}),
        ("optimizer", {}),
    ],
)
def test_a_stored_value_of_another_type_is_refused(field, value):
    with pytest.raises(UserError, match=r"damaged|does not have|not to be trusted"):
        from_json(to_json(Experiment()) | {field: value})


def test_a_name_that_fills_a_page_is_damage():
    """Found by spoilt files: the sentence repeated all of it."""
    for stored in (
        {"type": "a" * 100_000},
        {"type": "mine:Net", "from": "a" * 100_000},
        {"type": "Adam", "a" * 100_000: 1},
    ):
        with pytest.raises(UserError) as error:
            from_json(stored, False)
        assert len(str(error.value)) < 500
