"""Reads folders of text files, a folder for each class."""
