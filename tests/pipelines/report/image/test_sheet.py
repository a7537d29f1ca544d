"""A contact sheet holds each group in rows of its own."""

import numpy as np

from pipelines.report.image.sheet import ACROSS, GAP, TILE, contact_sheet


def test_a_contact_sheet_holds_each_group_in_rows_of_its_own():
    dark, light = np.zeros((TILE, TILE, 3), np.uint8), np.full((TILE, TILE, 3), 200, np.uint8)
    sheet = contact_sheet([[dark] * (ACROSS + 1), [light]])
    assert sheet.shape == (3 * (TILE + GAP) + 4 * GAP, ACROSS * (TILE + GAP), 3)
    assert (sheet == 0).all(2).sum() == (ACROSS + 1) * TILE * TILE
    assert (sheet == 200).all(2).sum() == TILE * TILE
