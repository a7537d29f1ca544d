"""Sources with splits: no folder `test` is a class, and no held-out row becomes a training row in silence."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from flows.spec_file import load_spec
from pipelines.judge.evaluate.held_out import find_held_out
from pipelines.modality import modality_notes
from pipelines.plan.planning import fingerprint_spec, make_plan
from pipelines.plan.propose import propose, write_proposal
from pipelines.source import read_source
from pipelines.source.splits import SeveralSplitsError, kind_of
from schemas.errors import Advice, MakeweightError, SpecError
from schemas.spec import Source, Spec, parse

CLASSES = {"NORMAL": 3, "PNEUMONIA": 5}


def save(file, kind):
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "images":
        Image.new("RGB", (8, 8), (len(str(file)) % 256, 10, ord(file.name[0]))).save(file.with_suffix(".png"))
    else:
        file.with_suffix(".txt").write_text(f"words of {file}")


def folders(root, names, kind="images", layout="{split}/{label}"):
    for split in names:
        for label, count in CLASSES.items():
            for number in range(count):
                save(root / layout.format(split=split, label=label) / f"{number}", kind)
    return root


def spec_for(path, label="label", **source):
    data = {"name": "s", "source": {"path": str(path), "label": label, **source}, "output": {"path": f"{path}-out"}}
    return parse(Spec, data | {"generator": {"name": "resample"}})


def classes(path, **source):
    plan = make_plan(spec_for(path, **source))
    return {one.name: one.real for one in plan.strata}


SPLITS = [
    ("train", "val", "test"),
    ("train", "valid", "test"),
    ("Training", "Testing"),
    ("TRAIN", "TEST"),
    ("train", "dev"),
    ("train", "validation"),
    ("seg_train", "seg_test"),
    ("train2017", "val2017"),
    ("split=train", "split=test"),
    ("train_images", "test_images"),
]
LAYOUTS = ["{split}/{label}", "deep/er/{split}/{label}", "{label}/{split}", "{split}/x/{label}"]


@pytest.mark.parametrize("names", SPLITS, ids=lambda names: names[0])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_split_folders_are_no_classes(tmp_path, names, layout, kind):
    root = folders(tmp_path / "s", names, kind, layout)
    with pytest.raises(SpecError, match="source.split: .* has the splits ") as refused:
        make_plan(spec_for(root))
    assert all(f"{name} (8 files)" in str(refused.value) for name in names)
    assert f"as in {Advice(('source', 'split'), names[0])}, or split: all" in str(refused.value)
    assert classes(root, split=names[0]) == CLASSES
    assert classes(root, split=kind_of(names[0])) == CLASSES
    assert classes(root, split="all") == {label: count * len(names) for label, count in CLASSES.items()}
    plan = make_plan(spec_for(root, split=names[1]))
    assert all(f"/{names[1]}/" in f"/{name}" for name in plan.profile.files)


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_a_folder_of_training_rows_alone_is_taken(tmp_path, kind):
    root = folders(tmp_path / "s", ["train"], kind)
    assert classes(root) == CLASSES
    test = folders(tmp_path / "t", ["test"], kind)
    with pytest.raises(SeveralSplitsError, match=r"has the splits test \(8 files\).*as in source.split: test"):
        make_plan(spec_for(test))
    assert classes(test, split="test") == CLASSES
    assert len(find_held_out(Source(path=str(test), label="label")).names) == 8
    both = folders(tmp_path / "b", ["train", "test"], kind)
    with pytest.raises(SpecError, match="evaluate.test: .* has the splits test, train: give the folder of the one"):
        find_held_out(Source(path=str(both), label="label"))
    assert len(find_held_out(Source(path=str(both / "test"), label="label")).names) == 8


def test_classes_that_are_called_as_splits_are(tmp_path):
    for label in ("car", "bus", "train", "bullet_train", "crash_test"):
        for number in range(2):
            save(tmp_path / "s" / label / str(number), "images")
    assert classes(tmp_path / "s") == dict.fromkeys(("bullet_train", "bus", "car", "crash_test", "train"), 2)


@pytest.mark.parametrize("names", [("valid", "invalid"), ("test", "control"), ("dev", "ops")])
def test_two_classes_one_of_them_called_as_a_split_is(tmp_path, names):
    for label in names:
        save(tmp_path / "s" / label / "0", "images")
    assert classes(tmp_path / "s") == dict.fromkeys(names, 1)


def test_what_lies_beside_the_splits_is_told_and_left_out(tmp_path):
    root = folders(tmp_path / "s", ["train", "test"])
    save(root / "extra" / "NORMAL" / "9", "images")
    with pytest.raises(SeveralSplitsError, match=r"test \(8 files\), train \(8 files\) and 1 files in none of them"):
        make_plan(spec_for(root))
    assert classes(root, split="train") == CLASSES


@pytest.mark.parametrize("names", [("train", "test"), ("seg_train", "seg_test")])
def test_notes_beside_the_class_folders_of_texts(tmp_path, names):
    root = folders(tmp_path / "s", names, "texts")
    for split in names:
        (root / split / "urls_pos.txt").write_text("http://example.org")
    (root / "README.txt").write_text("a note")
    assert classes(root, split=names[0]) == CLASSES
    with pytest.raises(MakeweightError, match="README.txt: lies in no class folder"):
        make_plan(spec_for(root, split="all"))
    (root / "README.txt").unlink()
    assert classes(root, split="all") == {label: 2 * count for label, count in CLASSES.items()}
    by_class = folders(tmp_path / "c", ["train", "test"], "texts", "{label}/{split}")
    assert classes(by_class, split="train") == CLASSES


def test_a_split_that_is_not_there(tmp_path):
    root = folders(tmp_path / "s", ["train", "test"])
    with pytest.raises(SpecError, match=r"source.split: .* has no split 'trian'; did you mean 'train'\?"):
        make_plan(spec_for(root, split="trian"))
    with pytest.raises(SpecError, match="has no split 'validation'; known are all, test, train"):
        make_plan(spec_for(root, split="validation"))
    with pytest.raises(SpecError, match="source.split: .* has no splits, got 'train'; leave out source.split"):
        make_plan(spec_for(root / "train", split="train"))
    (tmp_path / "t.csv").write_text("x,y\n1,a\n2,b\n")
    with pytest.raises(SpecError, match="source.split: .*t.csv is one file, got 'train'; leave out source.split"):
        make_plan(spec_for(tmp_path / "t.csv", "y", split="train"))


TABLES = [
    "{split}-00000-of-00002.parquet",
    "data/{split}-00000-of-00001-6f3dcb80f8d3ad5a.parquet",
    "{split}.parquet",
    "{split}/0.parquet",
    "data/{split}/part-1.parquet",
    "split={split}/0.parquet",
    "adult_{split}.parquet",
]


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_hugging_face_and_hive(tmp_path, name):
    for split, rows in (("train", 8), ("validation", 4), ("test", 6)):
        file = tmp_path / "s" / name.format(split=split)
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": list(range(rows)), "y": ["a", "b"] * (rows // 2)}), file)
    with pytest.raises(SeveralSplitsError, match=r"has the splits .*test.*\(1 files\), .*train.*, .*validation"):
        make_plan(spec_for(tmp_path / "s", "y"))
    assert classes(tmp_path / "s", label="y", split="test") == {"a": 3, "b": 3}
    assert classes(tmp_path / "s", label="y", split="dev") == {"a": 2, "b": 2}
    assert classes(tmp_path / "s", label="y", split="all") == {"a": 9, "b": 9}


def test_tables_of_other_names_are_read_together(tmp_path):
    for name in ("results.csv", "train_schedule.csv", "train-00000-of-00002.csv", "train-00001-of-00002.csv"):
        (tmp_path / name).write_text("x,y\n1,a\n2,b\n3,b\n")
    assert classes(tmp_path, label="y") == {"a": 4, "b": 8}


def boxes(folder, file, images, prefix=""):
    data = {
        "images": [{"id": n, "file_name": f"{prefix}{n}.png", "width": 8, "height": 8} for n in range(images)],
        "annotations": [{"image_id": n, "category_id": 1, "bbox": [1, 1, 3, 3]} for n in range(images)],
        "categories": [{"id": 1, "name": "cell"}],
    }
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(json.dumps(data))


def test_the_export_of_roboflow(tmp_path):
    root = tmp_path / "export"
    (root / "s").mkdir(parents=True)
    for number, split in enumerate(("train", "valid", "test"), 2):
        boxes(root, f"{split}/_annotations.coco.json", number)
        for n in range(number):
            save(root / split / str(n), "images")
    (root / "README.dataset.txt").write_text("made by a tool")
    with pytest.raises(SeveralSplitsError, match=r"test \(5 files\), train \(3 files\), valid \(4 files\)"):
        make_plan(spec_for(root, "category"))
    assert make_plan(spec_for(root, "category", split="valid")).profile.rows == 3
    assert make_plan(spec_for(root / "train", "category")).profile.rows == 2
    named = spec_for(root / "train", "category", annotations="_annotations.coco.json", format="coco")
    assert make_plan(named).profile.rows == 2
    spec = spec_for(root, "category", split="all")
    table = pa.concat_tables(read_source(spec.source, make_plan(spec).profile))
    paths = [image["path"] for image in table["image"].to_pylist()]
    assert (len(set(paths)), paths[0], paths[-1]) == (9, "test/0.png", "valid/2.png")
    named = spec_for(root, "category", annotations="test/_annotations.coco.json")
    assert make_plan(named).profile.rows == 4


def test_the_annotations_of_coco_itself(tmp_path):
    root = tmp_path / "coco"
    for number, split in enumerate(("train", "val"), 2):
        boxes(root, f"annotations/instances_{split}2017.json", number)
        (root / f"annotations/captions_{split}2017.json").write_text('{"images": [], "annotations": []}')
        for n in range(number):
            save(root / f"{split}2017" / str(n), "images")
    with pytest.raises(SeveralSplitsError, match=r"train2017 \(2 files\), val2017 \(3 files\)"):
        make_plan(spec_for(root, "category"))
    for split, rows in (("train2017", 2), ("val", 3)):
        assert make_plan(spec_for(root, "category", split=split)).profile.rows == rows


def test_annotations_of_splits_beside_one_folder_of_images(tmp_path):
    root = tmp_path / "s"
    for number, split in enumerate(("train", "test"), 2):
        boxes(root, f"annotations/{split}.json", number)
    for n in range(4):
        save(root / "images" / str(n), "images")
    with pytest.raises(SeveralSplitsError, match=r"test \(1 files\), train \(1 files\)"):
        make_plan(spec_for(root, "category"))
    assert make_plan(spec_for(root, "category", split="test")).profile.rows == 3


def test_several_annotation_files(tmp_path):
    root = tmp_path / "s"
    for number, batch in enumerate(("one", "two"), 2):
        boxes(root, f"{batch}/annotations.json", number, prefix="images/")
        for n in range(number):
            save(root / batch / "images" / str(n), "images")
    spec = spec_for(root, "category")
    plan = make_plan(spec)
    table = pa.concat_tables(read_source(spec.source, plan.profile))
    assert [image["path"] for image in table["image"].to_pylist()][1:3] == ["one/images/1.png", "two/images/0.png"]
    boxes(root, "two/annotations-more.json", 1, prefix="images/")
    with pytest.raises(SpecError, match="source.annotations: which file holds the annotations.*or a list of those"):
        make_plan(spec)
    listed = ["two/annotations.json", "one/annotations.json"]
    assert make_plan(spec_for(root, "category", annotations=listed)).profile.rows == 5
    with pytest.raises(MakeweightError, match="'images/0.png' is annotated twice"):
        make_plan(spec_for(root, "category", annotations=["two/annotations.json", "two/annotations-more.json"]))


@pytest.mark.parametrize("file", ["result.json", "export.json", "labels_my-project.json", "_annotations.coco.json"])
def test_annotations_of_any_name_are_seen_beside_images(tmp_path, file):
    boxes(tmp_path / "s", file, 2)
    for n in range(2):
        save(tmp_path / "s" / "images" / str(n), "images")
    assert make_plan(spec_for(tmp_path / "s", "category")).profile.format == "coco"


@pytest.mark.parametrize("file", ["_boxes.json", ".labels/all.json"])
def test_a_hidden_file_is_read_if_it_is_named(tmp_path, file):
    boxes(tmp_path / "s", file, 2)
    for n in range(2):
        save(tmp_path / "s" / "images" / str(n), "images")
    for given in ({}, {"format": "coco"}):
        assert make_plan(spec_for(tmp_path / "s", "category", annotations=file, **given)).profile.rows == 2
    with pytest.raises(SpecError, match="source.annotations: there is no '../s/_boxes.json'"):
        make_plan(spec_for(tmp_path / "s", "category", annotations="../s/_boxes.json"))


def test_other_json_beside_class_folders_is_a_note(tmp_path):
    root = folders(tmp_path / "s", ["train"])
    (root / "train" / "meta.json").write_text('{"info": {"version": 1}, "classes": ["a"]}')
    assert classes(root) == CLASSES


def test_init_takes_the_training_rows_and_says_so(tmp_path):
    root = folders(tmp_path / "s", ["train", "val", "test"])
    proposal = propose(str(root), out=str(tmp_path / "a.yaml"))
    assert proposal.classes == dict(sorted(CLASSES.items(), key=lambda one: -one[1]))
    assert any(
        "the source has splits, and train was chosen (source.split); test, val stays" in n for n in proposal.notes
    )
    assert f"evaluate: {{test: {root / 'test'}}}" in proposal.text
    write_proposal(proposal)
    assert load_spec(proposal.file)[0].source.split == "train"
    chosen = propose(str(root), out=str(tmp_path / "b.yaml"), given={"split": "all"})
    assert chosen.classes == {"PNEUMONIA": 15, "NORMAL": 9}
    with pytest.raises(SpecError, match=r"test \(8 files\), val \(8 files\).*\(--split\)"):
        propose(str(folders(tmp_path / "t", ["val", "test"])))


def test_a_split_that_is_left_out_is_in_no_fingerprint(tmp_path):
    root = folders(tmp_path / "s", ["train"])
    plain, said = spec_for(root), spec_for(root, split="train")
    assert fingerprint_spec(plain) != fingerprint_spec(said)
    assert make_plan(plain).profile.fingerprint != make_plan(said).profile.fingerprint


TABLE = "n,y\n1.5,a\n2.5,b\n"


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["sms.train.csv", "sms.test.csv"], {"train": 1, "test": 1}),
        (["sms.v1.train.csv.gz", "sms.v1.test.csv.gz"], {"train": 1, "test": 1}),
        (["train_labeled.csv", "train_extra.csv", "test.csv"], {"train": 2, "test": 1}),
        (["train_full.csv", "test_hard.csv"], {"train": 1, "test": 1}),
        (
            ["train.tsv", "dev_matched.tsv", "dev_mismatched.tsv", "test_matched.tsv"],
            {"train": 1, "validation": 2, "test": 1},
        ),
        (["trainset.csv", "testset.csv"], {"train": 1, "test": 1}),
        (["trainSet.csv", "testSet.csv"], {"train": 1, "test": 1}),
        (["train.csv", "eval.csv"], {"train": 1, "validation": 1}),
        (["train.csv", "holdout.csv"], {"train": 1, "test": 1}),
        (["train.csv", "held_out.csv"], {"train": 1, "test": 1}),
        (["train.csv", "hold-out.csv"], {"train": 1, "test": 1}),
        (["train.csv", "devel.csv"], {"train": 1, "validation": 1}),
        (["trn.csv", "tst.csv"], {"train": 1, "test": 1}),
        (["trainval.csv", "test.csv"], {"train": 1, "test": 1}),
        (["train_labeled/d.csv", "train_extra/d.csv", "test/d.csv"], {"train_labeled": 1, "train_extra": 1, "test": 1}),
        (["train_full/d.csv", "test_hard/d.csv"], {"train_full": 1, "test_hard": 1}),
        (["train/d.csv", "eval/d.csv"], {"train": 1, "eval": 1}),
    ],
)  # fmt: skip
def test_held_out_tables_are_known_by_whatever_name_they_have(tmp_path, names, splits):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        data = TABLE.replace(",", "\t") if ".tsv" in name else TABLE
        (tmp_path / name).write_bytes(gzip.compress(data.encode()) if name.endswith("gz") else data.encode())
    with pytest.raises(SeveralSplitsError) as error:
        make_plan(spec_for(tmp_path, "y"))
    assert error.value.splits.files == dict(sorted(splits.items()))
    train = sum(files for name, files in splits.items() if kind_of(name) == "train")
    assert sum(classes(tmp_path, label="y", split="train").values()) == 2 * train
    assert sum(classes(tmp_path, label="y", split="all").values()) == 2 * len(names)


@pytest.mark.parametrize("other", ["eval", "holdout", "unseen", "part_b"])
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_folders_beside_train_with_its_class_folders_are_splits(tmp_path, kind, other):
    folders(tmp_path, ("train", other), kind)
    with pytest.raises(SeveralSplitsError, match=rf"has the splits .*{other} \(8 files\)"):
        make_plan(spec_for(tmp_path))
    assert classes(tmp_path, split="train") == CLASSES
    assert classes(tmp_path, split=other) == CLASSES
    assert classes(tmp_path, split="all") == {name: 2 * count for name, count in CLASSES.items()}


def test_classes_that_are_called_as_splits_are_classes(tmp_path):
    for label in ("bullet_train", "car", "test"):
        for number in range(4):
            save(tmp_path / label / f"{number}", "images")
    assert classes(tmp_path) == {"bullet_train": 4, "car": 4, "test": 4}


@pytest.mark.parametrize(
    ("names", "train"),
    [
        (["adult.csv", "adult_test.csv"], ["adult.csv"]),
        (["adult.csv", "adult_val.csv", "adult2.csv"], ["adult.csv", "adult2.csv"]),
        (["main.csv", "test.csv"], ["main.csv"]),
        (["holdout.csv", "main.csv"], ["main.csv"]),
        (["traindata.csv", "testdata.csv"], ["traindata.csv"]),
        (["traindf.csv", "valdf.csv"], ["traindf.csv"]),
        (["train/a.csv", "b.csv"], ["train/a.csv"]),
        (["train/a.csv", "extra/b.csv"], ["train/a.csv"]),
        (["test/a.csv", "main/b.csv"], ["main/b.csv"]),
        (["adult.csv", "adult_train.csv"], ["adult_train.csv"]),
        (["data.csv", "data_val.csv", "data_test.csv"], ["data.csv"]),
    ],
)
def test_tables_beside_held_out_ones_are_not_joined_in_silence(tmp_path, names, train):
    for name in names:
        (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / name).write_text(TABLE)
    with pytest.raises(SeveralSplitsError, match="as in source.split: train, or .* split: none says that"):
        make_plan(spec_for(tmp_path / "s", "y"))
    assert make_plan(spec_for(tmp_path / "s", "y", split="train")).profile.files == train
    for both in ("all", "none"):
        assert make_plan(spec_for(tmp_path / "s", "y", split=both)).profile.files == sorted(names)
    assert "split: train" in propose(str(tmp_path / "s"), label="y", out=str(tmp_path / "a.yaml")).text


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["blood_test.csv", "scan.csv"], "Files that may be held-out rows by their names, blood_test.csv, are read"),
        (["dev/a.csv", "prod/b.csv"], "Files that may be held-out rows by their names, dev/a.csv, are read with all"),
        (["train.csv", "results.csv"], "Files beside those that are called training rows, results.csv, are read with"),
        (["one.csv", "two.csv"], None),
        (["train_schedule.csv", "results.csv"], None),
    ],
)
def test_files_that_may_be_held_out_are_told(tmp_path, names, told):
    for name in names:
        (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / name).write_text(TABLE)
    notes = modality_notes(make_plan(spec_for(tmp_path / "s", "y")))
    assert [note.startswith(told or "") for note in notes] == [True] * bool(told)
    assert modality_notes(make_plan(spec_for(tmp_path / "s", "y", split="none"))) == []
    if told:
        [file] = make_plan(spec_for(tmp_path / "s", "y", split="train")).profile.files
        assert "called training" in told or file not in told


@pytest.mark.parametrize("names", [("train_station", "test_tube"), ("Dev", "Test"), ("train", "test")])
@pytest.mark.parametrize("kind", ["images", "texts"])
def test_classes_that_are_all_called_as_splits_can_be_said_to_be_classes(tmp_path, names, kind):
    for number in range(3):
        save(tmp_path / "s" / names[number % 2] / f"{number}", kind)
    with pytest.raises(SeveralSplitsError, match="split: none says that these names mean no splits, but classes"):
        make_plan(spec_for(tmp_path / "s"))
    listed = " and ".join(map(repr, sorted(names)))
    with pytest.raises(MakeweightError, match=f"lies in no class folder.*split: none if {listed} are classes and no"):
        make_plan(spec_for(tmp_path / "s", split="all"))
    assert classes(tmp_path / "s", split="none") == dict(sorted({names[0]: 2, names[1]: 1}.items()))
