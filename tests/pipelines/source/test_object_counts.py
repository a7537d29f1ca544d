"""What an image holds in words says all of it, whatever its classes are called."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.source.object_counts import contents, read_contents
from schemas.arrow import OBJECTS

NAMES = st.sampled_from(["a", "b", "c, d", "e=f", "100%", "x%2C"])


@settings(deadline=None)
@given(st.lists(st.lists(NAMES, max_size=6), max_size=6))
def test_contents_can_be_read_back_whatever_the_names(images):
    rows = [[{"bbox": [0, 0, 1, 1], "category": name} for name in image] for image in images]
    written = contents(pa.array(rows, OBJECTS)).to_pylist()
    for image, text in zip(images, written, strict=True):
        assert read_contents(text) == {name: image.count(name) for name in image}
