"""Images whose classes stand in a table beside them, as Hugging Face and Kaggle have them."""

import json
import zipfile

import pytest

from pipelines.modality import modality_notes
from pipelines.plan.planning import make_plan
from pipelines.plan.propose import propose
from pipelines.source.splits import SeveralSplitsError
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_pixels import picture, rows_of, spec_for

LABELS = ["red", "red", "blue", "red", "blue"]


def images(folder, start=0, count=5):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        picture("red", number).save(folder / f"im{number}.png")


def table(path, column="file_name", name="im{}.png", label="label", more="", start=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{name.format(n + start)},{one}{',x' * bool(more)}" for n, one in enumerate(LABELS)]
    path.write_text("\n".join([f"{column},{label}{more}", *rows]) + "\n")


def read(path, **source):
    found = rows_of(path, **source).to_pylist()
    return [(row["image"]["path"], row[source.get("label", "label")]) for row in found]


PAIRS = [(f"im{n}.png", label) for n, label in enumerate(LABELS)]


@pytest.mark.parametrize(
    ("file", "column", "name"),
    [
        ("metadata.csv", "file_name", "im{}.png"),
        ("train.csv", "image_id", "im{}"),
        ("labels.tsv", "filename", "im{}.png"),
        ("list.csv", "x", "./im{}.png"),
        ("list.csv", "path", "/content/data/im{}.png"),
        ("list.csv", "path", "data\\im{}.png"),
    ],
)
def test_tables_beside_images_give_their_classes(tmp_path, file, column, name):
    root = tmp_path / "s"
    images(root)
    table(root / file, column, name)
    if file.endswith(".tsv"):
        (root / file).write_text((root / file).read_text().replace(",", "\t"))
    assert read(root) == PAIRS
    plan = make_plan(spec_for(root))
    assert (plan.modality, plan.profile.format, {one.name: one.real for one in plan.strata}) == (
        "image", "listed", {"blue": 2, "red": 3},
    )  # fmt: skip
    assert plan.profile.lost == []


def test_metadata_as_json_lines_and_in_an_archive(tmp_path):
    root = tmp_path / "s"
    images(root / "images")
    lines = [{"file_name": f"images/im{n}.png", "label": label, "text": "a"} for n, label in enumerate(LABELS)]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    pairs = [(f"images/{name}", label) for name, label in PAIRS]
    assert read(root) == pairs
    assert "Columns beside file and class that are not read: text." in modality_notes(make_plan(spec_for(root)))
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for file in sorted(root.rglob("*.*")):
            archive.write(file, f"top/{file.relative_to(root)}")
    assert read(tmp_path / "s.zip") == [(f"top/{name}", label) for name, label in pairs]


def test_splits_of_hugging_face_have_a_table_each(tmp_path):
    for split, start in (("train", 0), ("test", 5)):
        images(tmp_path / "s" / split, start)
        table(tmp_path / "s" / split / "metadata.csv", start=start)
    with pytest.raises(SeveralSplitsError, match="has the splits test .*, train "):
        make_plan(spec_for(tmp_path / "s"))
    assert read(tmp_path / "s", split="train") == [(f"train/{name}", label) for name, label in PAIRS]
    assert len(read(tmp_path / "s", split="all")) == 10


@pytest.mark.parametrize("apart", [True, False])
def test_a_competition_of_kaggle(tmp_path, apart):
    root = tmp_path / "s"
    folders = ("train_images", "test_images") if apart else ("images", "images")
    images(root / folders[0])
    images(root / folders[1], 5)
    table(root / "train.csv", "image_id", label="kind")
    table(root / "sample_submission.csv", "image_id", label="kind", start=5)
    (root / "test.csv").write_text("image_id\nim5.png\nim6.png\n")
    with pytest.raises(SeveralSplitsError, match="has the splits test.*, train"):
        make_plan(spec_for(root, label="kind"))
    assert read(root, label="kind", split="train") == [(f"{folders[0]}/{name}", label) for name, label in PAIRS]
    said = " ".join(make_plan(spec_for(root, label="kind", split="train")).profile.lost)
    assert ("Images in no annotation, which are not read: 5, such as images/im5.png." in said) == (not apart)
    assert "sample_submission.csv" not in said
    assert "not read: 1 (.csv 1)" in said
    proposal = propose(str(root), out=str(tmp_path / "spec.yaml"))
    assert (proposal.label, proposal.classes) == ("kind", {"red": 3, "blue": 2})


def test_what_cannot_be_meant_is_refused(tmp_path):
    root = tmp_path / "s"
    images(root)
    table(root / "metadata.csv", label="kind", more=",note")
    with pytest.raises(MakeweightError, match="source.label: the source has no column 'label'; known are kind, note"):
        make_plan(spec_for(root))
    table(root / "metadata.csv")
    text = (root / "metadata.csv").read_text()
    (root / "metadata.csv").write_text(f"{text}im0.png,blue\n")
    with pytest.raises(MakeweightError, match="metadata.csv: 'im0.png' has more than one row; give each image one row"):
        make_plan(spec_for(root))
    (root / "metadata.csv").write_text(f"{text}im9.png,blue\n")
    with pytest.raises(MakeweightError, match=r"1 of 6 images cannot be read: im9.png \(missing\)"):
        make_plan(spec_for(root))
    assert read(root, images={"unreadable": "skip"}) == PAIRS
    (root / "metadata.csv").write_text(f"{text},blue\n")
    with pytest.raises(MakeweightError, match="names no image in 'file_name'; fill it in"):
        make_plan(spec_for(root))
    (root / "metadata.csv").write_text(text + "im0.png,\n")
    (root / "metadata.csv").write_text(text.replace("im0.png,red", "im0.png,"))
    with pytest.raises(MakeweightError, match="column 'label': 1 of 5 rows have no class"):
        make_plan(spec_for(root))
    assert read(root, missing_label="drop") == PAIRS[1:]
    (root / "metadata.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        MakeweightError, match="several formats .csv, images.* or have a table beside the images name each"
    ):
        make_plan(spec_for(root))
    with pytest.raises(
        MakeweightError, match="no table in it names its images; write metadata.csv with the columns file"
    ):
        make_plan(spec_for(root, format="listed"))


def test_class_folders_with_a_table_of_their_images_are_asked_about(tmp_path):
    root = tmp_path / "s"
    images(root / "red")
    images(root / "blue", 5)
    table(root / "list.csv")
    with pytest.raises(MakeweightError, match=r"several formats \(images, listed\); set source.format"):
        make_plan(spec_for(root))
    assert make_plan(spec_for(root, format="images")).profile.rows == 10
    assert [label for _, label in read(root, format="listed")] == LABELS
    (root / "list.csv").rename(root / "metadata.csv")
    assert len(read(root)) == 5


@pytest.mark.parametrize("files", [["im{}.PNG", "im{}.png"], ["im{}.png", "IM{}.PNG"], ["im{}.JPG", "im{}.jpg"]])
def test_endings_in_capitals_are_the_same_images(tmp_path, files):
    root = tmp_path / "s"
    root.mkdir()
    for number in range(5):
        picture("red", number).save(root / files[0].format(number))
        picture("red", number).save(root / files[0].format(number).replace("im", "other"))
    table(root / "labels.csv", name=files[1])
    assert read(root) == [(files[0].format(n), label) for n, label in enumerate(LABELS)]


def test_a_table_of_numbers_beside_an_image_lists_nothing(tmp_path):
    root = tmp_path / "s"
    root.mkdir()
    picture("red", 1).save(root / "1.png")
    (root / "d.csv").write_text("n,x,y\n" + "".join(f"{n % 3},1,{'ab'[n % 2]}\n" for n in range(8)))
    with pytest.raises(MakeweightError, match=r"several formats \(csv, images\); set source.format"):
        make_plan(spec_for(root, label="y"))
    assert make_plan(spec_for(root, label="y", format="csv")).profile.rows == 8
    images(root)
    (root / "d.csv").write_text("".join(["n,x\n", *(f"im{n},{n}\n" for n in range(5))]))
    with pytest.raises(MakeweightError, match="has no column 'y'.*; if d.csv itself is the source, .*format to csv"):
        make_plan(spec_for(root, label="y"))
