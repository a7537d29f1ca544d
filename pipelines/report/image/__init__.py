"""Sections of the report that show images and their marked objects."""
