"""Words of a list are found whole, in any case, and in disguise."""

import pytest

from pipelines.validate.text.inappropriate import Inappropriate, InappropriateParams
from tests.pipelines.validate.text.test_inappropriate import table_of


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
