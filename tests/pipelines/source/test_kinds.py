"""What files of a folder are: data, what is written about it, or notes, told by names and first bytes."""

import pytest

from pipelines.source.kinds import begins_as_coco, is_coco, is_yolo, label_key, list_files, meant, yolo_files


def nothing(_name):
    return b""


@pytest.mark.parametrize(
    ("formats", "found"),
    [
        ({"a.csv": "csv", "notes.txt": "folders"}, {"csv"}),
        ({"spam/1.txt": "folders", "ham/2.txt": "folders"}, {"folders"}),
        ({"a.csv": "csv", "b.parquet": "parquet"}, {"csv", "parquet"}),
        ({"x/1.png": "images", "readme.txt": "folders"}, {"images"}),
        ({"1.png": "images", "1.xml": "voc"}, {"voc"}),
        ({"images/1.png": "images", "annotations/train.json": "coco"}, {"coco"}),
        ({"images/1.png": "images", "labels/1.txt": "folders"}, {"yolo"}),
    ],
)
def test_what_is_data_is_told_by_names(formats, found):
    assert meant(formats, nothing) == found


def test_json_of_any_name_beside_images_is_looked_into():
    formats = {"1.png": "images", "boxes.json": "coco"}
    assert meant(formats, lambda _: b'{"images": []}') == {"coco"}
    assert meant(formats, lambda _: b'{"title": "notes"}') == {"images"}
    assert begins_as_coco(b'\xef\xbb\xbf {"info": 1, "images": []')
    assert not begins_as_coco(b'{"info": 1}')
    assert is_coco("x/instances_val.json")
    assert not is_coco("x/config.json")


def test_tables_that_name_images_are_lists_of_them():
    heads = {
        "train.csv": b"file,label\na.png,x\nb.png,y\n",
        "sizes.csv": b"w,h\n1,2\n",
        "submission.csv": b"f\na.png\n",
    }
    formats = {"img/a.png": "images", "img/b.png": "images", **dict.fromkeys(heads, "csv")}
    assert list_files(formats, heads.__getitem__) == {"img/a.png", "img/b.png", "train.csv"}
    assert meant(formats, heads.__getitem__) >= {"listed"}


def test_an_image_and_its_labels_have_one_key():
    assert label_key("set/images/train/a.jpg") == label_key("set/labels/train/a.txt") == "set/labels/train/a"
    assert label_key("set/a.jpg") == label_key("set/a.txt")
    assert label_key("images/images/a.jpg") == "images/labels/a", "the last folder of the name counts"


def test_files_of_yolo_are_images_labels_and_lists_of_classes():
    formats = {
        "images/a.jpg": "images",
        "labels/a.txt": "folders",
        "plot.png": "images",
        "data.yaml": None,
        "n.txt": "folders",
    }
    assert is_yolo(formats)
    assert yolo_files(formats) == {"images/a.jpg", "labels/a.txt", "data.yaml"}
