"""Measures images: the view of classifiers, features and similarity."""
