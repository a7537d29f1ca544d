"""Builds as rows of the page: versions together, verdicts of this very dataset."""

import pytest

from pipelines.dataset.builds import find_builds
from pipelines.report.site import write_site
from pipelines.report.site.rows import make_groups
from pipelines.storage.workspace import HIDDEN
from schemas.evaluation import Verdict
from schemas.privacy import Figure, Privacy, PrivacyBudget, PrivacyFindings
from tests.pipelines.dataset.test_builds import published
from tests.pipelines.report.site.test_page import evaluation, page_of


def test_versions_of_a_dataset_go_together_the_newest_first(tmp_path):
    for name in ("series/v00001", "series/v00010", "series/v00002", "other/v00001", "v00003x"):
        published(tmp_path / name)
    (tmp_path / "series" / HIDDEN / "versions").mkdir(parents=True)
    groups = make_groups(find_builds(str(tmp_path)))
    told = {tuple(row.build.path.removeprefix(f"{tmp_path}/") for row in group) for group in groups}
    newest_first = ("series/v00010", "series/v00002", "series/v00001")
    assert told == {newest_first, ("other/v00001",), ("v00003x",)}
    assert write_site([str(tmp_path / "series")]).builds == 3, "the page may lie beside versions"


def test_a_verdict_is_of_this_very_dataset_or_none(tmp_path):
    for name in ("judged", "stale", "newer"):
        published(tmp_path / name)
    (tmp_path / "judged" / "evaluation.json").write_text(evaluation("a" * 64, helps=False))
    (tmp_path / "judged" / "evaluation.html").write_text("page")
    (tmp_path / "stale" / "evaluation.json").write_text(evaluation("b" * 64))
    (tmp_path / "newer" / "evaluation.json").write_text('{"of": "another version"}')
    rows = {row.build.path: row for group in make_groups(find_builds(str(tmp_path))) for row in group}
    verdicts = [rows[str(tmp_path / name)].verdict for name in ("judged", "stale", "newer")]
    assert verdicts == [Verdict(helps=False, sentence="Yes: so it was measured."), None, None]
    told = '<a href="judged/evaluation.html" title="Yes: so it was measured.">does not help</a>'
    assert told in page_of(tmp_path)


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [(0.6, 0.5, "within limits"), (None, 0.9, "measured"), (0.6, 0.7, "1 beyond limit")],
)
def test_what_is_said_of_privacy(tmp_path, limit, value, said):
    figure = Figure(name="attack_auc", value=value, low=value, high=value, limit=limit)
    published(tmp_path / "a", privacy=PrivacyFindings(asked=Privacy(), figures=[figure]))
    assert f'<td data-t="privacy">{said}</td>' in page_of(tmp_path)


def test_a_spent_budget_is_told(tmp_path):
    spent = PrivacyBudget(
        epsilon=2.96,
        delta=1e-5,
        declared_epsilon=3,
        noise_multiplier=1,
        clip=1,
        sample_rate=0.1,
        steps=9,
        accountant="rdp",
    )
    published(tmp_path / "a", differential_privacy=spent)
    assert '<td data-t="privacy">epsilon 2.96</td>' in page_of(tmp_path)
