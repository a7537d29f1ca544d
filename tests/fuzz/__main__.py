"""Fuzz the readers with atheris: `python -m tests.fuzz [--seconds 60] [TARGET …]`, each target in a process of its own.

What fails is kept in `fuzz-failures/`, by the target's name; `python -m tests.fuzz TARGET --input FILE` runs it again.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FAILURES = Path("fuzz-failures")
SLICE = 60
"""Seconds that one process fuzzes; the next goes on with what it found."""
LIMITS = (
    "-timeout=30",
    "-rss_limit_mb=3000",
    "-max_len=20000",
    "-close_fd_mask=2",
    "-verbosity=0",
    "-print_final_stats=1",
)


def fuzz(name: str, seconds: int, corpus: str) -> None:
    """Fuzz one target, from its own seeds and what was found before in the folder `corpus`; does not return."""
    import atheris

    with atheris.instrument_imports(include=["flows", "pipelines", "schemas", "yaml", "PIL", "json", "xml"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    FAILURES.mkdir(exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (Path(corpus) / str(number)).write_bytes(seed)
    limit = f"-max_total_time={seconds}"
    atheris.Setup([name, *LIMITS, limit, f"-artifact_prefix={FAILURES}/{name}-", corpus], target.run)
    atheris.Fuzz()


def main() -> int:
    """Run the targets one after the other, and return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--input", type=Path)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        fuzz(asked.targets[0], asked.seconds, asked.corpus)
    from tests.fuzz.targets import TARGETS

    if asked.input:
        TARGETS[asked.targets[0]].run(asked.input.read_bytes())
        return 0
    failed = [name for name in asked.targets or TARGETS if not _passes(name, asked.seconds)]
    print(f"failed: {', '.join(failed)}; see {FAILURES}/" if failed else "no crash and no hang")
    return len(failed)


def _passes(name: str, seconds: int) -> bool:
    """Fuzz a target, a minute a process: pyarrow loses 75 kB each time that it unpacks a broken gzip file."""
    inputs = 0
    with tempfile.TemporaryDirectory() as corpus:
        for start in range(0, seconds, SLICE):
            some = str(min(SLICE, seconds - start))
            command = [sys.executable, "-m", "tests.fuzz", name, "--alone", "--seconds", some, "--corpus", corpus]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SLICE + 300)
            told = done.stdout + done.stderr
            inputs += sum(int(n) for n in re.findall(r"number_of_executed_units: *(\d+)", told))
            if done.returncode:
                print(f"{name}: FAILED after {inputs:,} inputs\n{told[-4000:]}", flush=True)
                return False
    print(f"{name}: {inputs:,} inputs in {seconds} s, no failure", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
