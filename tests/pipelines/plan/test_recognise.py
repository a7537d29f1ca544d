"""What a source holds is told by its columns."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.plan.recognise import find_modality
from schemas.arrow import IMAGE
from schemas.errors import MakeweightError
from tests.pipelines.source.image.test_pixels import COLOURS, encoded, picture, plan_of, spec_for


def test_parquet_with_an_image_column_is_taken_for_images(tmp_path):
    rows = [{"bytes": encoded(picture(label, n)), "path": None} for label in COLOURS for n in range(4)]
    table = pa.table({"picture": pa.array(rows, IMAGE), "label": [label for label in COLOURS for _ in range(4)]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert find_modality(spec_for(tmp_path / "t.parquet")).name == "image"
    assert plan_of(tmp_path / "t.parquet").profile.image == "picture"
    pq.write_table(table.append_column("other", table["picture"]), tmp_path / "two.parquet")
    with pytest.raises(MakeweightError, match="source.image: which column holds the images. there are 'picture', 'oth"):
        plan_of(tmp_path / "two.parquet")
    pq.write_table(table.drop_columns("picture"), tmp_path / "none.parquet")
    with pytest.raises(MakeweightError, match="which column holds the images.*none.parquet has none"):
        plan_of(tmp_path / "none.parquet", modality="image")
