"""Edits real texts: words are replaced, inserted, deleted and swapped. Knows numpy and Arrow, no network."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from generators import base
from generators.classes import check_class_known, check_class_sizes, rows_by_class
from generators.random import seeded
from generators.text import edits, words
from generators.text.ragged import Ragged
from generators.text.rows import string_schema, text_table, texts_of
from generators.text.similar import Neighbours, find_neighbours
from generators.text.words import Texts
from schemas.plan import SampleRequest


class EditParams(base.Params):
    """How much of a text is edited. Rates are shares of its words."""

    replace: float = Field(0.3, ge=0, le=1, description="Words replaced by words of like contexts.")
    insert: float = Field(0.1, ge=0, le=1, description="Words added, of contexts like those of the text's own.")
    delete: float = Field(0.1, ge=0, lt=1, description="Words left out; one always stays.")
    swap: float = Field(0.1, ge=0, le=1, description="Words that change places with one another.")
    mix: float = Field(0.25, ge=0, le=1, description="Texts that end as another real text of the class does.")
    neighbours: int = Field(10, ge=1, le=100, description="Words that may stand for a word.")
    min_count: int = Field(3, ge=1, description="Rarer words are neither replaced nor put in a word's place.")
    window: int = Field(2, ge=1, le=20, description="Words on each side that are a word's context.")
    dimensions: int = Field(100, ge=1, le=1000, description="Length of the words' vectors.")


class Edit:
    """Edits real texts: easy data augmentation (Wei and Zou 2019, arXiv:1901.11196) that needs no thesaurus.

    A text starts as a real one of the class, or as the beginning of one and the end of another (`mix`). Some of its
    words are then replaced, swapped, deleted and inserted. New words are those that the source uses in similar
    contexts. Punctuation stays, and capitals follow the replaced word; numbers, links and addresses are never replaced.

    Example:
        generator:
          name: edit
          params: {replace: 0.2, mix: 0}

    """

    Params = EditParams
    capabilities: ClassVar[base.Capabilities] = base.Capabilities(modalities=("text",), origin="augmented")

    def __init__(self, params: EditParams) -> None:
        self.params = params

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Split the texts into words and find each word's neighbours; raises GeneratorError if there are no rows."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "edit")
        self._schema, self._label = table.schema, label
        self._labels = table[label].combine_chunks()
        self._set_texts(*words.split_texts(texts_of(table, label)))
        with seeded(seed):
            self._neighbours = self._find_neighbours(seed)

    def _set_texts(self, texts: Texts, forms: list[str], glues: list[str]) -> None:
        self._forms, self._glues = len(forms), len(glues)
        self._texts = texts
        self._lexicon = words.make_lexicon(forms, glues, np.bincount(texts.words.values, minlength=len(forms)))
        self._spaces = words.space_before(self._lexicon)
        self._members = rows_by_class(self._labels)

    def _find_neighbours(self, seed: int) -> Neighbours:
        lexicon, params = self._lexicon, self.params
        sentences = Ragged(lexicon.key[self._texts.words.values], self._texts.words.lengths)
        counts = np.bincount(sentences.values, minlength=len(lexicon.keys))
        plain = np.fromiter(map(words.is_plain, lexicon.keys), bool, len(lexicon.keys))
        return find_neighbours(
            sentences,
            len(lexicon.keys),
            plain & (counts >= params.min_count),
            k=params.neighbours,
            window=params.window,
            dimensions=params.dimensions,
            seed=seed,
        )

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` edited texts and `_parent_row`, the real row that each starts from."""
        check_class_known(request.stratum, self._members)
        rng, params, lexicon = np.random.default_rng(request.seed), self.params, self._lexicon
        members = self._members[request.stratum]
        parents, others = members[rng.integers(len(members), size=(2, request.rows))]
        texts = edits.splice(self._texts, parents, others, params.mix, rng)
        texts = edits.replace(texts, lexicon, self._neighbours, params.replace, rng)
        texts = edits.swap(texts, params.swap, rng)
        texts = edits.delete(texts, params.delete, rng)
        texts = edits.insert(texts, lexicon, self._neighbours, self._spaces, params.insert, rng)
        return text_table(self._schema, self._label, request, words.join_texts(texts, lexicon), parents)

    def save(self, path: Path) -> None:
        """Write the split texts, the words and their neighbours as Parquet, and `model.json`."""
        near, lexicon = self._neighbours, self._lexicon
        columns = {
            "rows": {"label": self._labels, "length": self._texts.words.lengths, "tail": self._texts.tails},
            "words": {"word": self._texts.words.values, "glue": self._texts.glues},
            "forms": {"form": lexicon.forms[: self._forms]},
            "glues": {"glue": lexicon.glues[: self._glues]},
            "neighbours": {"words": list(near.words), "cumulated": list(near.cumulated)},
        }
        for name, arrays in columns.items():
            pq.write_table(pa.table(arrays), path / f"{name}.parquet")
        (path / "model.json").write_text(json.dumps({"label": self._label, "columns": self._schema.names}))

    def load(self, path: Path, device: str) -> None:  # noqa: ARG002 - nothing runs on a device
        """Read what `save` wrote."""
        model = json.loads((path / "model.json").read_text())
        self._label, self._schema = model["label"], string_schema(model["columns"])
        rows, flat, forms, glues, near = (
            pq.read_table(path / f"{name}.parquet") for name in ("rows", "words", "forms", "glues", "neighbours")
        )
        self._labels = rows["label"].combine_chunks()
        ragged = Ragged(flat["word"].to_numpy(), rows["length"].to_numpy())
        self._set_texts(
            Texts(ragged, flat["glue"].to_numpy(), rows["tail"].to_numpy()),
            forms["form"].to_pylist(),
            glues["glue"].to_pylist(),
        )
        width = self.params.neighbours
        words_, weights = (column.combine_chunks().flatten().to_numpy() for column in near.columns)
        self._neighbours = Neighbours(words_.reshape(-1, width), weights.reshape(-1, width))
