"""The records of makeweight: spec, plan, Arrow schemas, manifest, errors. Knows only pydantic and pyarrow."""
