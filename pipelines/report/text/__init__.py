"""Sections of the report that show texts."""
