"""Fits the generator and the validators on the real rows, and saves them.

`draw` takes an even part of too many rows, `held_out` leaves out the rows that privacy is measured with, `fitting` does
the rest.
"""
