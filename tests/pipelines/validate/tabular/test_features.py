"""Features of a table: the most frequent categories are kept."""

import pyarrow as pa

from pipelines.validate.tabular.features import learn_features


def test_many_categories_keep_the_most_frequent() -> None:
    words = [f"w{k}" for k in range(300) for _ in range(2)] + ["often"] * 5
    [feature] = learn_features(pa.table({"word": words}), ["word"])
    assert feature.categories is not None
    assert len(feature.categories) == 254
    assert feature.categories[0] == "often"
