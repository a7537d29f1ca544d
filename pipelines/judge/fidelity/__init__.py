"""How like real rows made ones are, and how diverse. Pure functions of rows: nothing here knows Ray or Prefect.

`measure_fidelity` (in `measure`) draws from streams of real and of published rows by `sides`; `tables`, `images`,
`text` and `paired` tell the figures of each modality, and `detector` how surely a classifier tells made rows, by what
`evidence` shows it. `published` reads a dataset from its folder; `wording` says what each figure means.
"""
