"""Fits the generator and the validators on the real rows, and keeps what they learned.

`draw` takes a fair part of too many rows, `held_out` leaves out those that privacy is measured by, `fitting` does the
rest.
"""
