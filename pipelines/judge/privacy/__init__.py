"""The privacy gate: measures on held-out real rows what made rows reveal of the rows that the model learnt from."""
