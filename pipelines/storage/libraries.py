"""Lists the libraries that decide rows, whose versions are part of a build's identity, and all others with a reason.

Every library that `generators`, `pipelines` and `schemas` import is in one of the two lists; a test checks that.
"""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

DECIDING = (
    "makeweight", "numpy", "pandas", "pyarrow", "torch", "sdv", "ctgan", "copulas", "rdt", "scikit-learn",
    "imbalanced-learn", "scipy", "xxhash",
    "pillow", "opencv-python-headless", "albumentations", "albucore", "pycocotools", "diffusers",
    "transformers", "tokenizers", "peft",
    "opacus", "regex", "datasketch", "lingua-language-detector", "phonenumbers", "python-stdnum", "fonttools", "vllm",
)  # fmt: skip
"""Distributions whose version may change a row."""
BENEATH = ("makeweight", "rdt", "albucore")
"""Those of `DECIDING` that no module imports itself: SDV and albumentations use them."""
OTHERS = {
    "joblib": "starts no workers here: it is told to leave ctgan in one process",
    "safetensors": "holds the bytes of weights as they are",
    "huggingface_hub": "fetches models: what they are is said by their own name",
    "httpx": "carries bytes",
    "openai": "carries prompts and answers",
    "filelock": "locks",
    "charset-normalizer": "guesses in a message what a file's encoding may be; no file is read by that guess",
    "psutil": "sees processes",
    "platformdirs": "names folders",
    "ray": "gives out work: rows hang on no order",
    "threadpoolctl": "keeps libraries to one thread, and says what they are",
    "pydantic": "checks what was asked for",
    "PyYAML": "writes cards and specs",
    "Jinja2": "writes pages",
    "MarkupSafe": "writes pages",
    "matplotlib": "draws figures",
    "nltk": "measures made rows, and decides on none",
    "sacrebleu": "measures made rows, and decides on none",
    "sdmetrics": "measures made rows, and decides on none",
    "torchmetrics": "measures made rows, and decides on none",
}
"""Distributions that are imported and decide no row, each with the reason why."""


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide the rows."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
