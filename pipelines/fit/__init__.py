"""Fits the generator and the validators on the real rows, and keeps what they learned."""
