"""The models that make rows. Each runs without Ray and Prefect; heavy libraries are imported where they are used."""

GENERATORS = {
    "gaussian_copula": "generators.tabular.sdv:GaussianCopula",
    "ctgan": "generators.tabular.sdv:CTGAN",
    "tvae": "generators.tabular.sdv:TVAE",
    "copulagan": "generators.tabular.sdv:CopulaGAN",
    "smote": "generators.tabular.smote:SMOTE",
    "resample": "generators.tabular.resample:Resample",
}
"""Every generator by the name that a spec gives it."""

DEFAULTS = {"tabular": "gaussian_copula"}
"""The generator of each modality when the spec names none."""
