"""The steps of a build: Arrow in, Arrow out. The folders are its route; `modality` names what they know of each kind.

Ray lives in `engine`; nothing here knows Prefect.
"""
