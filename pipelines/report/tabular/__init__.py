"""Sections of the report that compare columns of tables."""
