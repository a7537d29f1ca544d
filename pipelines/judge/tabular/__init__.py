"""How rows of tables are measured: the view of classifiers, similarity, and what is rare in a row."""
