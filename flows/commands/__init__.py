"""The commands, by what they are for; `console` holds what they share. `flows.cli` puts them together."""
