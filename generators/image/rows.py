"""Tables of an image, its class and perhaps its objects: the input and output of every generator of images.

Knows no model.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from generators.image.codec import Encoding, Pixels, decode, encode
from schemas.arrow import IMAGE, PARENT_ROW
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest


def image_name(table: pa.Table) -> str:
    """Return the name of the image column; raises GeneratorError if there is none, or more than one."""
    names = [field.name for field in table.schema if field.type == IMAGE]
    if len(names) != 1:
        raise GeneratorError(f"a generator of images learns from one image column, got {names or 'none'}")
    return str(names[0])


def encoded_images(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the encoded images of a column as binary; raises GeneratorError if one is missing."""
    data = pc.struct_field(column, "bytes")
    if data.null_count:
        raise GeneratorError(f"{data.null_count:,} images are missing; leave those rows out (source.images.unreadable)")
    return data


def list_encoded(column: pa.ChunkedArray) -> list[bytes]:
    """Return the encoded images of a column in order; raises GeneratorError if one is missing."""
    return list(encoded_images(column).to_pylist())


def stack_images(table: pa.Table, generator: str) -> NDArray[np.uint8]:
    """Return all images, shape (rows, height, width, channels); raises GeneratorError unless all are of one shape."""
    images = [decode(data) for data in list_encoded(table[image_name(table)])]
    shapes = sorted({image.shape for image in images})
    if len(shapes) != 1:
        listed = ", ".join(f"{width}x{height}x{channels}" for height, width, channels in shapes[:3])
        raise GeneratorError(
            f"{generator} learns from images of one size and mode, got {listed}{' …' * (len(shapes) > 3)}; set"
            " source.images.size and source.images.mode"
        )
    return np.stack(images)


def image_table(
    schema: pa.Schema,
    label: str,
    request: SampleRequest,
    images: Iterable[Pixels],
    *,
    objects: Sequence[object] | pa.Array | None = None,
    parents: NDArray[np.int64] | None = None,
) -> pa.Table:
    """Return the request's rows as a table of `schema`, the images encoded as their field's metadata say.

    `objects` holds the objects of each image, where the schema has a column for them. It is read after all images came,
    so it may be filled while they come. With `parents` there is a column `_parent_row`.
    """
    columns_made = {label: pa.repeat(pa.scalar(request.stratum, pa.string()), request.rows)}
    columns_made |= {
        field.name: _encode_images(images, Encoding.of(field.metadata)) for field in schema if field.type == IMAGE
    }
    columns = [
        columns_made[field.name] if field.name in columns_made else pa.array(objects, field.type) for field in schema
    ]
    table = pa.table(columns, schema=schema)
    return table if parents is None else table.append_column(PARENT_ROW, pa.array(parents, pa.int64()))


def _encode_images(images: Iterable[Pixels], encoding: Encoding) -> pa.StructArray:
    """Return the column of the encoded images; raises GeneratorError if they do not fit into one column."""
    data = [encode(image, encoding) for image in images]
    size = sum(map(len, data))
    if size >= 2**31:
        raise GeneratorError(
            f"{len(data):,} images of one request take {size / 2**30:.1f} GiB, and 2 are possible; set"
            f" generator.chunk_rows to {len(data) * 2**30 // size or 1} or less"
        )
    return pa.StructArray.from_arrays([pa.array(data, pa.binary()), pa.nulls(len(data), pa.string())], fields=[*IMAGE])
