"""Requests and schedules on a Prefect server: the flows that its workers run, and the calls that create them."""
