"""Benchmarks: each prints the ratio of two things measured side by side in one run. Never a test."""
