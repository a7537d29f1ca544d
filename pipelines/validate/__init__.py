"""Validators: each says of every candidate row whether it is kept."""

VALIDATORS = {
    "schema": "pipelines.validate.schema:SchemaValidator",
    "duplicates": "pipelines.validate.duplicates:Duplicates",
    "near_duplicates": "pipelines.validate.near_duplicates:NearDuplicates",
    "label_agreement": "pipelines.validate.label_agreement:LabelAgreement",
}
"""Every validator by the name that a spec gives it."""

DEFAULTS = {"tabular": ["schema", "duplicates", "label_agreement"]}
"""The validators of each modality when the spec names none."""
