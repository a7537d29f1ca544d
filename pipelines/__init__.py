"""The steps of a build: Arrow in, Arrow out. Ray lives in `actors.py`; nothing here knows Prefect."""
