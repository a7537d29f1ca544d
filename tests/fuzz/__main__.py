"""Fuzz the readers with atheris: `python -m tests.fuzz [--seconds 60] [TARGET …]`, each target in a process of its own.

What fails is kept in `fuzz-failures/`, by the target's name; `python -m tests.fuzz TARGET --input FILE` runs it again.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

FAILURES = Path("fuzz-failures")
LIMITS = (
    "-timeout=30",
    "-rss_limit_mb=3000",
    "-max_len=20000",
    "-close_fd_mask=2",
    "-verbosity=0",
    "-print_final_stats=1",
)


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target; does not return."""
    import atheris

    with atheris.instrument_imports(include=["flows", "pipelines", "schemas", "yaml", "PIL", "json", "xml"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    FAILURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
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
    asked = parser.parse_args()
    if asked.alone:
        fuzz(asked.targets[0], asked.seconds)
    from tests.fuzz.targets import TARGETS

    if asked.input:
        TARGETS[asked.targets[0]].run(asked.input.read_bytes())
        return 0
    failed = [name for name in asked.targets or TARGETS if not _passes(name, asked.seconds)]
    print(f"failed: {', '.join(failed)}; see {FAILURES}/" if failed else "no crash and no hang")
    return len(failed)


def _passes(name: str, seconds: int) -> bool:
    command = [sys.executable, "-m", "tests.fuzz", name, "--alone", "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds + 300)
    told = done.stdout + done.stderr
    runs = next((line.split()[-1] for line in told.splitlines() if "number_of_executed_units" in line), "?")
    print(f"{name}: {runs} inputs in {seconds} s, {'no failure' if not done.returncode else 'FAILED'}", flush=True)
    if done.returncode:
        print(told[-4000:])
    return not done.returncode


if __name__ == "__main__":
    sys.exit(main())
