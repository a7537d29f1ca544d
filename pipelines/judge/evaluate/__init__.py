"""Whether a dataset helps: the same classifiers, of raw rows, cheaper remedies and the build, on real held-out rows.

`held_out` reads the test rows and tells what is wrong with them, `rows` gathers what is learned from, `views` turns
rows into what a classifier takes, `classifiers` and `remedies` are the two registries, `trial` trains and predicts
once, `measures` tells how well, over resampled test rows, and `verdict` says it in a sentence. Nothing here knows Ray.
"""
