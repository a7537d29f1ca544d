"""No file that others may have written can run code: the source is read for every call that could let it."""

import ast

import pytest

from tests.conftest import ROOT
from tests.test_architecture import ORDER

MODULES = {"pickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle"}
CALLS = {
    "eval", "exec", "compile", "torch.jit.load", "torch.hub.load", "pandas.read_pickle",
    "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all",
    "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader",
}  # fmt: skip
METHODS = {"read_pickle", "to_pickle"}
LIBRARY_LOADERS = ("Synthesizer", "Multivariate", "Univariate", "CTGAN", "TVAE", "HyperTransformer")
WEIGHTLESS = ("AutoTokenizer", "AutoImageProcessor")


def names_of(tree):
    """Return what each imported name stands for, in full."""
    names = {}
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else []:
            first = alias.name.split(".")[0]
            if isinstance(node, ast.ImportFrom):
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            else:
                names[alias.asname or first] = alias.name if alias.asname else first
    return names


def full_name(node, names):
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{full_name(node.value, names)}.{node.attr}"
    return ""


def says(call, keyword, value):
    """Whether the call gives the keyword as this literal."""
    given = [one.value for one in call.keywords if one.arg == keyword]
    return len(given) == 1 and isinstance(given[0], ast.Constant) and given[0].value is value


def is_list_of_texts(call, keyword):
    given = [one.value for one in call.keywords if one.arg == keyword]
    return bool(given) and isinstance(given[0], ast.List) and all(
        isinstance(one, ast.Constant) and isinstance(one.value, str) for one in given[0].elts
    )  # fmt: skip


def fault_of_call(call, names):
    name = full_name(call.func, names)
    owner, _, method = name.rpartition(".")
    if name in CALLS or method in METHODS or (owner == "joblib" and method != "parallel_config"):
        return name
    if method in ("load", "from_dict") and owner.endswith(LIBRARY_LOADERS):
        return name
    return next((f"{name} without {wanted}" for wanted, given in wants(call, name, owner, method) if not given), "")


def wants(call, name, owner, method):
    """Yield what a call must say, and whether it does."""
    if name == "torch.load":
        yield "weights_only=True", says(call, "weights_only", True)
    if name == "numpy.load":
        yield "allow_pickle=False", says(call, "allow_pickle", False)
    if name.startswith("skops.") and method in ("load", "loads"):
        yield "a literal list of trusted types", is_list_of_texts(call, "trusted")
    loads = method == "from_pretrained" or name.endswith("DiffusionPipeline.download")
    if loads or any(one.arg == "trust_remote_code" for one in call.keywords):
        yield "trust_remote_code=False", says(call, "trust_remote_code", False)
    if loads and not owner.endswith(WEIGHTLESS):
        yield "use_safetensors=True", says(call, "use_safetensors", True)


def faults(source):
    """Return what in a module could run the code of a file."""
    tree = ast.parse(source)
    names = names_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found = [f"{node.module}.{a.name}" for a in node.names if (node.module or "").split(".")[0] in MODULES
                     or f"{node.module}.{a.name}" in CALLS]  # fmt: skip
        elif isinstance(node, ast.Call):
            found = [fault for fault in [fault_of_call(node, names)] if fault]
        elif isinstance(node, ast.Attribute | ast.Name) and full_name(node, names) in CALLS - {"compile"}:
            found = [full_name(node, names)]
        else:
            continue
        yield from (f"line {node.lineno}: {fault}" for fault in found)


@pytest.mark.parametrize("package", ORDER)
def test_no_call_lets_a_file_run_code(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        assert not list(faults(path.read_text())), path


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import load",
        "import joblib; joblib.load(p)",
        "from joblib import dump; dump(m, p)",
        "import torch; torch.load(p)",
        "import torch; torch.load(p, weights_only=flag)",
        "from torch import load as l; l(p, weights_only=False)",
        "import torch; torch.load(p, **options)",
        "import numpy as np; np.load(p)",
        "import numpy as np; np.load(p, allow_pickle=True)",
        "from skops.io import load; load(p, trusted=get_untrusted_types(file=p))",
        "import skops.io as sio; sio.load(p)",
        "from transformers import AutoModel; AutoModel.from_pretrained(p, use_safetensors=True)",
        "from transformers import AutoModel; AutoModel.from_pretrained(p, trust_remote_code=False)",
        "from transformers import AutoTokenizer; AutoTokenizer.from_pretrained(p)",
        "kind.from_pretrained(p, trust_remote_code=True, use_safetensors=True)",
        "from diffusers import DiffusionPipeline; DiffusionPipeline.download(p, trust_remote_code=False)",
        "LLM(model=m, trust_remote_code=True)",
        "import yaml; yaml.load(t, Loader=yaml.SafeLoader)",
        "from yaml import UnsafeLoader",
        "import yaml; yaml.parse(t, yaml.Loader)",
        "import pandas as pd; pd.read_pickle(p)",
        "from sdv.single_table import CTGANSynthesizer; CTGANSynthesizer.load(p)",
        "from copulas.multivariate import GaussianMultivariate; GaussianMultivariate.from_dict(d)",
        "eval(text)",
    ],
)
def test_such_calls_are_seen(source):
    assert list(faults(source))


@pytest.mark.parametrize(
    "source",
    [
        "import joblib; joblib.parallel_config(backend='sequential')",
        "import torch; torch.load(p, weights_only=True)",
        "import numpy as np; np.load(p, allow_pickle=False)",
        "from skops.io import load; load(p, trusted=['a.B'])",
        "from transformers import AutoModel as M; M.from_pretrained(p, trust_remote_code=False, use_safetensors=True)",
        "from transformers import AutoTokenizer; AutoTokenizer.from_pretrained(p, trust_remote_code=False)",
        "import yaml; yaml.safe_load(t)",
        "import re; re.compile(t)",
        "generator.load(path, device)",
    ],
)
def test_harmless_calls_are_not(source):
    assert not list(faults(source))
