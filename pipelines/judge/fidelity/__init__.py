"""Measures how similar made rows are to real ones, and how diverse. Pure functions of rows: no Ray, no Prefect.

`measure_fidelity` (in `measure`) draws from streams of real and of published rows by `sides`. Each modality has its own
figures; `detector` measures how well a classifier tells made rows from real ones. `published` reads a dataset from its
folder; `wording` explains each figure.
"""
