"""The dataset's description for catalogues, in Croissant (https://docs.mlcommons.org/croissant/docs/croissant-spec.html).

Everything in it comes from the manifest. Licence, address and date are left out: they are not known, or would vary.
"""

import json
from typing import Any
from urllib.parse import quote

from pipelines.modality import MODALITIES
from pipelines.report.card import card_header
from pipelines.report.overview import headline
from pipelines.report.wording import printable
from schemas.arrow import PROVENANCE
from schemas.manifest import Manifest

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
PARQUET = "application/x-parquet"
_TYPES = {
    "bool": "sc:Boolean",
    "int64": "cr:Int64",
    "double": "cr:Float64",
    "date32[day]": "sc:Date",
    "timestamp[us]": "sc:DateTime",
    "timestamp[us, tz=UTC]": "sc:DateTime",
}
_CONTENTS = {one.content: one.croissant for one in MODALITIES.values() if one.croissant}
"""The Croissant type of a column's type; of any other, text."""
_OBJECT = {"bbox": "sc:Float", "category": "sc:Text"}
"""The Croissant type of each part of an object. Masks are not described, since Croissant has no run lengths, and boxes
are not as its `BoundingBox`, which the reference implementation does not read from Parquet."""
MEANING = {
    "bbox": "x and y of the upper left corner, width and height, in pixels",
    "_id": "unique name of the row",
    "_origin": "real: a row of the source; synthetic: made by the generator; augmented: a changed copy of a real row",
    "_generator": "what made the row; null for real rows",
    "_seed": "seed of the request that the row came from; null for real rows",
    "_parent": "_id of the real row that an augmented row was made from, else null",
}
"""What boxes and the provenance columns say."""
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification recommends."""


def render_croissant(manifest: Manifest) -> str:
    """Return the description; the same manifest gives the same text.

    Each split is a set of files and, unless the shards are encrypted, a set of records with a field for each column.
    """
    splits = list(dict.fromkeys(shard.split for shard in manifest.shards))
    plain = manifest.encryption_key_env is None
    data = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": printable(manifest.name),
        "description": _describe(manifest),
        "keywords": card_header(manifest)["tags"],
        "isLiveDataset": False,
        "distribution": [*_files(manifest), *(_file_set(split) for split in splits)],
        "recordSet": [_records(manifest, split) for split in splits if plain],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _describe(manifest: Manifest) -> str:
    head = headline(manifest)
    sentences = f"{head.rows:,} {head.unit}, balanced by {', '.join(map(printable, manifest.by))}."
    if head.synthetic:
        sentences += (
            f" {head.synthetic:,} of them are {head.made}: made by {printable(manifest.generator)}, not observed."
        )
    return f"{sentences} The column _origin tells real and made {head.unit} apart."


def _files(manifest: Manifest) -> list[dict[str, Any]]:
    """Return each shard with its size and hash."""
    return [
        {
            "@type": "cr:FileObject",
            "@id": shard.path,
            "name": shard.path,
            "contentUrl": shard.path,
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": PARQUET,
            "sha256": shard.sha256,
        }
        for shard in manifest.shards
    ]


def _file_set(split: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{split}-shards",
        "name": f"{split}-shards",
        "encodingFormat": PARQUET,
        "includes": f"data/{split}-*.parquet",
    }


def _records(manifest: Manifest, split: str) -> dict[str, Any]:
    columns = {column.name: column.type for column in manifest.columns}
    columns |= {field.name: str(field.type) for field in PROVENANCE}
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "key": {"@id": _field_id(split, "_id")},
        "field": [_field(split, name, kind) for name, kind in columns.items()],
    }


def _field(split: str, name: str, kind: str) -> dict[str, Any]:
    field: dict[str, Any] = {"@type": "cr:Field", "@id": _field_id(split, name), "name": name}
    field |= {"description": MEANING[name]} if name in PROVENANCE.names else {}
    if kind in ("objects", "masked objects"):
        parts = [_part_field(split, name, part, type_) for part, type_ in _OBJECT.items()]
        return field | {"repeated": True, "subField": parts}
    part = "bytes" if kind in _CONTENTS else None
    return field | {"dataType": (_TYPES | _CONTENTS).get(kind, "sc:Text"), "source": _field_source(split, name, part)}


def _part_field(split: str, column: str, name: str, kind: str) -> dict[str, Any]:
    """Return the field of one part of each object in a column."""
    return {
        "@type": "cr:Field",
        "@id": f"{_field_id(split, column)}/{name}",
        "name": name,
        **({"description": MEANING[name]} if name in MEANING else {}),
        "repeated": True,
        "dataType": kind,
        "source": _field_source(split, column, name),
    }


def _field_source(split: str, column: str, part: str | None) -> dict[str, Any]:
    """Return the source of a field's values: a column of the split's files, or a part of its structs."""
    source = {"fileSet": {"@id": f"{split}-shards"}, "extract": {"column": column}}
    return source if part is None else source | {"transform": {"jsonPath": part}}


def _field_id(split: str, name: str) -> str:
    """Return the field's id, in which the column's name has no characters that an IRI must not have."""
    return f"{split}/{quote(name, safe='')}"
