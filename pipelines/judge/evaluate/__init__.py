"""Measures whether a dataset helps: classifiers that learn from raw rows, from cheaper remedies and from the build.

All are tested on real held-out rows. `held_out` reads these, `rows` collects the rows to learn from, `classifiers` and
`remedies` are the two registries, `trial` trains and predicts once, `measures` scores predictions over resampled test
rows, and `verdict` says the result in a sentence. Nothing here knows Ray.
"""
