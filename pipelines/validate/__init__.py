"""Validators: each says of every candidate row whether it is kept. Which a modality has, `pipelines.modality` says."""
