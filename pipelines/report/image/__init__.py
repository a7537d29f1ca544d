"""Sections of the report that show images, and what is marked in them."""
