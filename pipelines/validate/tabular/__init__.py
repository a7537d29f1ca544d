"""Validators of tables."""
