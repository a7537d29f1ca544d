"""`make demo`: cuts a real table to a long tail and builds a balanced dataset from it, as a user would."""

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import yaml

MALIGNANT = 40
"""Of 212 malignant tumours, so many are left beside 357 benign ones."""

SPEC = {
    "name": "tumours-balanced",
    "source": {"path": "tumours.csv", "label": "diagnosis"},
    "balance": {"target": "largest"},
    "output": {"path": "tumours-balanced"},
}


def write_source(folder: Path) -> Path:
    """Write scikit-learn's breast cancer table (Wolberg et al. 1995), its rarer class cut short, and its spec."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.assign(diagnosis=bunch.target.map(dict(enumerate(bunch.target_names))))
    rare = table[table.diagnosis == "malignant"].head(MALIGNANT)
    common = table[table.diagnosis == "benign"]
    folder.mkdir(parents=True, exist_ok=True)
    rare.merge(common, how="outer").sample(frac=1, random_state=0).to_csv(folder / "tumours.csv", index=False)
    spec = folder / "spec.yaml"
    spec.write_text(yaml.safe_dump(SPEC, sort_keys=False))
    return spec


def _run_build(spec: Path) -> int:
    """Run `makeweight build`, which handles Ctrl-C itself, and return its exit code."""
    build = subprocess.Popen([sys.executable, "-m", "flows.cli", "build", str(spec)])  # noqa: S603
    while build.returncode is None:
        with suppress(KeyboardInterrupt):
            build.wait()
    return build.returncode


def main() -> None:
    """Build the demo dataset below `demo/` and say how to look at it."""
    folder = Path("demo")
    shutil.rmtree(folder, ignore_errors=True)
    spec = write_source(folder)
    print(f"makeweight build {spec}")
    if code := _run_build(spec):
        raise SystemExit(code)
    report = (folder / "tumours-balanced" / "report.html").absolute()
    print(f"open it  {'open' if sys.platform == 'darwin' else 'xdg-open'} {report}")


if __name__ == "__main__":
    main()
