"""Fits the generator and the validators on the real rows, and saves them.

`even_sample` takes an even part of too many rows, `held_out` leaves out the rows that privacy is measured with, and
`fitting` does the rest.
"""
