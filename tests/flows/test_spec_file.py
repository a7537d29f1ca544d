"""A spec file's faults come with file and line; paths are relative to it; hostile YAML is refused."""

import pytest

from flows.spec_file import load_spec
from schemas.errors import Fault, SpecError

GOOD = "name: x\nsource:\n  path: data.csv\n  label: y\noutput: {path: out}\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "spec.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def refused(path, overrides=()):
    with pytest.raises(SpecError) as caught:
        load_spec(path, overrides)
    return str(caught.value)


def test_paths_are_relative_to_the_file(write, tmp_path):
    spec, _ = load_spec(write(GOOD))
    assert spec.source.path == str(tmp_path / "data.csv")
    assert spec.output.path == str(tmp_path / "out")
    uri, _ = load_spec(write(GOOD.replace("data.csv", "s3://bucket/data.csv")))
    assert uri.source.path == "s3://bucket/data.csv"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "sed: 3\n", "spec.yaml:6: sed: unknown key 'sed'; did you mean 'seed'?"),
        (GOOD.replace("label: y", "lable: y"), "spec.yaml:4: source.lable: unknown key 'lable'; did you mean 'label'?"),
        (GOOD.replace("  path: data.csv", "  pth: data.csv"), "spec.yaml:2: source: the key 'path' is missing"),
        (GOOD + "'[': 1\n", "spec.yaml:6: [: unknown key '['; known are balance"),
        (GOOD + "validate: [schema, {a: 1, b: 2}]\n", "spec.yaml:6: validate[1]"),
        ("", "is empty"),
        ("- a\n- b\n", "a spec is a mapping of keys, got list"),
        ("a: [1\n", "spec.yaml:2: not YAML"),
        (GOOD + "seed: 1\nseed: 2\n", "spec.yaml:7: seed: this key stands twice"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        ("a: !!python/object/apply:os.system [echo]\n", "spec.yaml:1: YAML tags (!name) are not accepted"),
        ("a: !!int ''\n", "YAML tags (!name) are not accepted; write a plain value"),
        ('a: "\\Uffffffff"\n', "spec.yaml: not YAML"),
        ("%YAML " + "9" * 5000 + ".1\n---\na: 1\n", "spec.yaml: not YAML"),
        (GOOD + "seed: 0x" + "f" * 5000 + "\n", "spec.yaml:6: seed: a number of 5,002 digits is too large"),
        (GOOD + 'seed: "\\ud800"\n', "spec.yaml:6: seed: holds NUL or half a surrogate pair"),
        (GOOD + '"\\0": 1\n', "holds NUL or half a surrogate pair"),
        (GOOD + "budget: {attempts_per_row: .inf}\n", "budget.attempts_per_row: input should be a finite number"),
        (b"\xff\xfe\x00", "cannot read"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: 2020-99-99\n", "not a value of YAML"),
    ],
)
def test_faults_come_with_file_and_line(write, text, message):
    assert message in refused(write(text))


def test_a_billion_laughs_are_refused_at_once(write):
    laughs = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "aliases" in refused(write(laughs))


def test_no_such_file(tmp_path):
    assert "no such file" in refused(str(tmp_path / "none.yaml"))


def test_overrides(write):
    spec, _ = load_spec(write(GOOD), ["balance.target=10", "seed=3", "generator.params.epochs=2"])
    assert (spec.balance.target, spec.seed, spec.generator.params) == (10, 3, {"epochs": 2})
    assert "did you mean 'seed'" in refused(write(GOOD), ["sed=3"])
    assert "--set takes key.of.spec=value" in refused(write(GOOD), ["seed"])
    assert "holds no keys" in refused(write(GOOD), ["name.x=1"])


def test_files_that_parameters_name_are_relative_to_the_spec_too(write, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "words.txt").write_text("darn\n")
    text = GOOD + "generator: {name: seq2seq, params: {model: tiny, back: some/hub-id}}\n"
    text += "validate: [{inappropriate: {file: words.txt}}]\n"
    spec, _ = load_spec(write(text))
    assert spec.generator.params == {"model": str(tmp_path / "tiny"), "back": "some/hub-id"}
    assert spec.validators[0].params == {"file": str(tmp_path / "words.txt")}


OWN = """
from pathlib import Path
from typing import Annotated
from generators.base import Params
from generators.resample import Resample
from schemas.access import Touch

class Given(Params):
    known: Annotated[Path, Touch("read")]
    mode: str

class Own(Resample):
    Params = Given
"""


def test_what_is_a_path_is_told_by_its_type_and_by_no_name(write, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_paths.py").write_text(OWN)
    for name in ("names.txt", "train"):
        (tmp_path / name).write_text("one\n")
    text = GOOD + "generator: {name: 'own_paths:Own', params: {known: names.txt, mode: train}}\n"
    spec, _ = load_spec(write(text))
    assert spec.generator.params == {"known": str(tmp_path / "names.txt"), "mode": "train"}
    transforms = "[{TextImage: {font_path: names.txt}}, {OneOf: [{TextImage: {font_path: names.txt}}]}]"
    spec, _ = load_spec(write(GOOD + f"generator: {{name: augment, params: {{transforms: {transforms}}}}}\n"))
    whole = {"TextImage": {"font_path": str(tmp_path / "names.txt")}}
    assert spec.generator.params == {"transforms": [whole, {"OneOf": [whole]}]}


def test_a_class_is_imported_only_once_the_spec_is_admitted(write, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_forbidden.py").write_text("raise KeyboardInterrupt\n")

    def refuse(_spec):
        raise SpecError(Fault((), "no such module here"))

    for named in ("generator: {name: 'own_forbidden:Own'}\n", "validate: ['own_forbidden:Own']\n"):
        with pytest.raises(SpecError, match="no such module here"):
            load_spec(write(GOOD + named), (), refuse)
