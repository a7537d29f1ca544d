"""Splits that files declare: YOLO's settings, and the lists of Pascal VOC."""

import pytest

from pipelines.source.declared_splits import declared_in, settings

IMAGES = ["images/a.jpg", "images/b.jpg", "labels/a.txt", "labels/b.txt"]


def test_folders_of_yolo_take_images_and_labels_along():
    names = ["data.yaml", "train/images/a.jpg", "train/labels/a.txt", "valid/images/b.jpg", "other/images/c.jpg"]
    said = b"train: ../train/images\nval: /content/set/valid/images\nnames: [x]\n"
    assert declared_in(names, "yolo", lambda _: said) == {
        "train/images/a.jpg": "train",
        "train/labels/a.txt": "train",
        "valid/images/b.jpg": "val",
    }


def test_lists_of_yolo_name_images():
    files = {"data.yaml": b"train: train.txt\n", "train.txt": b"./images/b.jpg\n"}
    assert declared_in([*files, *IMAGES], "yolo", files.__getitem__) == {
        "images/b.jpg": "train",
        "labels/b.txt": "train",
    }


def test_lists_of_voc_name_annotations_and_images_without_their_endings():
    lists = {"VOC/ImageSets/Main/train.txt": b"a\n", "VOC/ImageSets/Main/val.txt": b"b 1\n\n"}
    names = [*lists, "VOC/Annotations/a.xml", "VOC/JPEGImages/a.jpg", "VOC/Annotations/b.xml", "VOC/Annotations/c.xml"]
    assert declared_in(names, "voc", lists.__getitem__) == {
        "VOC/Annotations/a.xml": "train",
        "VOC/JPEGImages/a.jpg": "train",
        "VOC/Annotations/b.xml": "val",
    }
    assert declared_in(names, "csv", lists.__getitem__) == {}


@pytest.mark.parametrize("data", [b"- a\n- b\n", b"a: [", b"\xff\xfe\x00", b"", b"[" * 5000])
def test_what_is_no_mapping_says_nothing(data):
    assert settings(data) == {}


def test_words_stay_as_they_are_written():
    assert settings(b"names: [no, 1.0, 007]") == {"names": ["no", "1.0", "007"]}
