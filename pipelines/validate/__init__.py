"""Validators: each says of every candidate row whether it is kept."""

VALIDATORS: dict[str, dict[str, str]] = {
    "tabular": {
        "schema": "pipelines.validate.schema:SchemaValidator",
        "duplicates": "pipelines.validate.duplicates:Duplicates",
        "near_duplicates": "pipelines.validate.near_duplicates:NearDuplicates",
        "label_agreement": "pipelines.validate.label_agreement:LabelAgreement",
    },
    "text": {
        "text": "pipelines.validate.text.quality:TextQuality",
        "duplicates": "pipelines.validate.duplicates:Duplicates",
        "near_duplicates": "pipelines.validate.text.near_duplicates:NearDuplicates",
        "label_agreement": "pipelines.validate.text.label_agreement:LabelAgreement",
        "memorised": "pipelines.validate.text.memorised:Memorised",
        "pii": "pipelines.validate.text.pii:Pii",
        "inappropriate": "pipelines.validate.text.inappropriate:Inappropriate",
    },
}
"""The validators of each modality, by the name that a spec gives them."""

DEFAULTS = {
    "tabular": ["schema", "duplicates", "label_agreement"],
    "text": ["text", "duplicates", "near_duplicates", "label_agreement"],
}
"""The validators of each modality when the spec names none."""
