import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from generators.image.codec import Encoding, encode
from pipelines.validate.image import pixels
from pipelines.validate.image.pixels import decode_column, pixel_hashes, resize_images


def test_equal_pixels_have_one_hash_whatever_they_were_encoded_as(noise, picture_batch) -> None:
    [image] = noise(1)
    grey = image[..., :1].copy()
    column = picture_batch([image, encode(image, Encoding("png")) + b"\0", grey, image.reshape(16, 64, 3), None, b"?"])
    hashes = pixel_hashes(column.table.column("image"))
    assert hashes.dtype == np.uint64
    assert hashes[0] == hashes[1]
    assert len(set(hashes.tolist())) == 5
    assert pixel_hashes(picture_batch([None]).table.column("image"))[0] == hashes[4]


def test_hashes_do_not_depend_on_chunks_or_on_what_was_seen_before(noise, picture_batch, monkeypatch) -> None:
    column = picture_batch([*noise(6), None]).table.column("image")
    cut = pa.chunked_array([column.slice(0, 2).combine_chunks(), column.slice(2).combine_chunks()])
    monkeypatch.setattr(pixels, "_ROOM", 5000)  # less than two images
    first = pixel_hashes(column)
    np.testing.assert_array_equal(pixel_hashes(cut), first)
    np.testing.assert_array_equal(pixel_hashes(column.take(pa.array([3, 1]))), first[[3, 1]])


def test_an_image_seen_before_is_not_decoded_again_and_cannot_be_written_to(noise, picture_batch, monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(pixels, "decode", lambda data: calls.append(data) or np.zeros((2, 2, 3), np.uint8))
    column = picture_batch([b"one", b"two"]).table.column("image")
    calls.clear()
    for _ in range(3):
        found = decode_column(column.take(pa.array([1, 0])))
    assert len(calls) == 0
    with pytest.raises(ValueError, match="read-only"):
        found[0][:] = 1


def test_scaled_brings_all_to_one_size_and_mode(noise) -> None:
    [image] = noise(1, 48)
    grey = np.full((4, 6, 1), 7, np.uint8)
    assert (resize_images([image, grey], 16)[1] == 7).all()
    assert resize_images([image, grey], 16, grey=True).shape == (2, 16, 16, 1)
    assert resize_images([], 16).shape == (0, 16, 16, 3)


def test_making_validators_loads_no_heavy_library() -> None:
    code = (
        "import sys, importlib\nfrom pipelines.modality import MODALITIES\n"
        "for name in MODALITIES['image'].validators.values(): importlib.import_module(name.partition(':')[0])\n"
        "print([m for m in ('torch', 'cv2', 'scipy', 'sklearn', 'PIL') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
