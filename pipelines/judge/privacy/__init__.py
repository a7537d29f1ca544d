"""The privacy gate: real rows that the model does not learn from, and what made rows give away of those it does."""
