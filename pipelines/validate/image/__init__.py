"""Validators of images."""
