"""What watches builds for others: logs, Prefect's run logs, metrics, lineage. None of it may cost a build."""
