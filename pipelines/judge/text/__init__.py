"""How texts are measured: the view of classifiers, similarity, and what is rare in a text."""
