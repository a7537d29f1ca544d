"""Validators of texts."""
