"""Measures texts: the view of classifiers, similarity, and rare words."""
