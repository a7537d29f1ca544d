"""What a dataset is worth, measured on real rows: does it help, is it like them, and what does it give away."""
