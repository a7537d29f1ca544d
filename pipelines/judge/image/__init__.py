"""How images are measured: the view of classifiers, features and similarity."""
