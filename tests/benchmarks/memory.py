"""The driver's memory: the peak of a build of 2,000,000 rows against one of 200,000, each in a process of its own."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.common import CHEAP, machine, make_spec, timed_build, write_source

SMALL, LARGE = 200_000, 2_000_000


def peak_of(rows: int) -> float:
    """Build so many rows and return this process's peak memory in MB; Ray's own processes are not counted."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_source(folder / "source.csv")
        generator = {"name": CHEAP, "actors": 2}
        validate = ["schema", "duplicates"]
        timed_build(make_spec(folder, "b", balance={"target": {"rare": rows}}, generator=generator, validate=validate))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure both and print the growth."""
    peaks = []
    for rows in (SMALL, LARGE):
        command = [sys.executable, "-m", "tests.benchmarks.memory", str(rows)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(answer.stdout.splitlines()[-1]))
        print(f"{rows:,} rows: the driver's peak is {peaks[-1]:.0f} MB")
    print(f"memory: grows by {peaks[1] - peaks[0]:.0f} MB, ratio {peaks[1] / peaks[0]:.2f} ({machine()})")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(peak_of(int(sys.argv[1])))
    else:
        main()
