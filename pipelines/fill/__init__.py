"""The fill loop: chunks of candidates are made, validated and accepted in order, until every class is full.

`loop` decides, `chunk` makes one chunk, `result` stores the decisions. Nothing here knows Ray.
"""
