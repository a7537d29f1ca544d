"""Validators: each says of every candidate row whether it is kept."""

VALIDATORS: dict[str, dict[str, str]] = {
    "tabular": {
        "schema": "pipelines.validate.tabular.schema:SchemaValidator",
        "duplicates": "pipelines.validate.duplicates:Duplicates",
        "near_duplicates": "pipelines.validate.tabular.near_duplicates:NearDuplicates",
        "label_agreement": "pipelines.validate.tabular.label_agreement:LabelAgreement",
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
    "image": {
        "image": "pipelines.validate.image.quality:ImageQuality",
        "duplicates": "pipelines.validate.duplicates:Duplicates",
        "near_duplicates": "pipelines.validate.image.near_duplicates:NearDuplicates",
        "label_agreement": "pipelines.validate.image.label_agreement:LabelAgreement",
        "memorised": "pipelines.validate.image.memorised:Memorised",
        "boxes": "pipelines.validate.image.boxes:Boxes",
    },
}
"""The validators of each modality, by the name that a spec gives them."""

DEFAULTS = {
    "tabular": ["schema", "duplicates", "label_agreement"],
    "text": ["text", "duplicates", "near_duplicates", "label_agreement"],
    "image": ["image", "duplicates", "near_duplicates", "label_agreement"],
    "marked image": ["image", "duplicates", "boxes"],
}
"""The validators of each modality when the spec names none; those of marked images are some of the images'."""
