"""What runs on a Prefect server and its workers: requests and schedules, and how they are put up from here."""
