"""Reads tables: delimited files, JSON Lines and Parquet, with the types of their cells."""
