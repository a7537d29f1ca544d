"""Plots do not depend on the settings of a user's matplotlib."""

from pipelines.report import ReportData, render_report


def test_a_users_matplotlib_settings_change_nothing(html: str, data: ReportData) -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path"}):
        assert render_report(data) == html
        assert matplotlib.rcParams["font.size"] == 30
