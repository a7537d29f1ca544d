"""The commands, grouped by purpose; `console` holds the parts that they share. `flows.cli` joins them."""
