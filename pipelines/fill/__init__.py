"""The fill loop: chunks of candidates are made, validated and accepted in order, until every class is full.

`loop` decides, `chunk` makes one chunk, `filled` keeps what was decided. Nothing here knows Ray.
"""
