"""Runs every benchmark, each in a process of its own, one after the other."""

import subprocess
import sys

ALL = (
    "driver",
    "throughput",
    "memory",
    "adult",
    "table_utility",
    "sms",
    "text_utility",
    "augment",
    "boxes",
    "top_up",
    "site",
    "cluster",
    "requests",
    "digits",
    "redaction",
    "reading",
)

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=True)
