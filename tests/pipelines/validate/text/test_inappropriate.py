import pyarrow as pa
import pytest

from pipelines.validate.text.inappropriate import Inappropriate, InappropriateParams
from schemas.errors import MakeweightError, SpecError
from schemas.spec import parse


def table_of(texts: list[str | None]) -> pa.Table:
    return pa.table({"label": ["a"] * len(texts), "text": pa.array(texts, pa.string())})


@pytest.fixture
def verdict_on(plan_of, batch_of, tmp_path):
    def check(*texts: str | None, **params):
        plan = plan_of(table_of(["a"]), "label", text="text")
        validator = Inappropriate(InappropriateParams(**params), plan)
        validator.fit([])
        (tmp_path / "saved").mkdir()
        validator.save(tmp_path / "saved")
        loaded = Inappropriate(InappropriateParams(**params), plan)
        loaded.load(tmp_path / "saved")
        return loaded.check(batch_of(table_of(list(texts))))

    return check


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_learnt_from_examples(verdict_on, tmp_path, form) -> None:
    rows = [("you are an idiot and a fool", "rude"), ("what a lovely day my friend", "fine")] * 10
    lines = {
        "csv": ["text,label", *(f"{text},{label}" for text, label in rows)],
        "tsv": ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)],
        "jsonl": [f'{{"text": "{text}", "label": "{label}"}}' for text, label in rows],
    }
    path = tmp_path / f"examples.{form}"
    path.write_text("\n".join(lines[form]), encoding="utf-8")
    verdict = verdict_on("such an idiot", "a lovely friend", examples=str(path), bad=["rude"])
    assert verdict.keep.tolist() == [False, True]
    assert verdict.details == {"like bad examples": 1}


def test_a_transformers_classifier(verdict_on, classifier_folder) -> None:
    texts = ["morning tender", "lader vision", "koma vison tender"]
    verdict = verdict_on(*texts, model=classifier_folder, bad=["rude", "fine"], max_probability=0.5)
    assert verdict.details == {"classifier": 3}, "both labels together are certain"


def test_a_label_that_the_model_does_not_have(verdict_on, classifier_folder) -> None:
    with pytest.raises(MakeweightError, match="has no label 'rud'; did you mean 'rude'"):
        verdict_on("a", model=classifier_folder, bad=["rud"])


def test_a_model_that_is_no_classifier(verdict_on, encoder_folder) -> None:
    with pytest.raises(MakeweightError, match=r"is no classifier: its files lack classifier\.bias.*give a model that"):
        verdict_on("a", model=encoder_folder, bad=["LABEL_0"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,x\n", "has no label 'bad'"),
        ("txt,label\na,bad\n", "have no column 'text'"),
        ("text,label\na,bad\nb,bad\n", "no two labels of texts with words"),
        ("", "cannot read the examples"),
    ],
)
def test_examples_that_cannot_be_used(verdict_on, tmp_path, content, message) -> None:
    (tmp_path / "e.csv").write_text(content)
    with pytest.raises(MakeweightError, match=message):
        verdict_on("a", examples=str(tmp_path / "e.csv"), bad=["bad"])


def test_files_that_are_not_there(verdict_on, tmp_path) -> None:
    with pytest.raises(MakeweightError, match="cannot read the word list"):
        verdict_on("a", file=str(tmp_path / "none.txt"))
    with pytest.raises(MakeweightError, match="cannot read the examples"):
        verdict_on("a", examples=str(tmp_path / "none.csv"), bad=["x"])


@pytest.mark.parametrize(
    ("params", "message"),
    [({}, "nothing to look for; give words, file"), ({"examples": "x.csv"}, "say in `bad` which labels")],
)
def test_nothing_to_look_for_is_refused_when_the_spec_is_read(params, message) -> None:
    with pytest.raises(SpecError, match=message):
        parse(InappropriateParams, params, ())


def test_words_are_found_whole_in_any_case_and_disguise(verdict_on) -> None:
    found = [
        "DAMN it",
        "d\u0430y damn!",
        "d4mn",
        "d@mn.",
        "\uff44\uff41\uff4d\uff4e",
        "da\u200bmn",
        "oh  bad\nword",
        "\u6211\u6b7b\u4e86",
    ]
    fine = ["damnation", "adamn", "bad words", None, "", "d4mnation"]
    verdict = verdict_on(*found, *fine, words=["damn", "Bad Word", "\u6b7b"])
    assert verdict.keep.tolist() == [False] * len(found) + [True] * len(fine)
    assert verdict.details == {"listed word": len(found)}


def test_disguise_can_be_left_out(verdict_on) -> None:
    assert verdict_on("d4mn", "damn", words=["damn"], disguised=False).keep.tolist() == [True, False]


def test_a_word_list_in_a_file(verdict_on, tmp_path) -> None:
    (tmp_path / "words.txt").write_text("# mild\ndamn\n\n  heck \n", encoding="utf-8")
    verdict = verdict_on("what the heck", "# mild", file=str(tmp_path / "words.txt"))
    assert verdict.keep.tolist() == [False, True]
