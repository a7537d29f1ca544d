"""Validators: each decides which candidate rows are kept. `pipelines.modality` lists those of each modality."""
