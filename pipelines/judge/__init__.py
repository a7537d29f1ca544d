"""Measures a dataset on real rows: whether it helps, how similar made rows are to real ones, and what they reveal."""
