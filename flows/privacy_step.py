"""The privacy gate as a step: measures what made rows reveal of real ones, and stops a build that reveals too much."""

from flows.progress import Build
from flows.task import step
from pipelines.engine import actors
from pipelines.judge.privacy.anonymity import measure_groups
from pipelines.judge.privacy.gate import combine_findings, load_findings, refuse_breach, save_findings
from pipelines.judge.privacy.measure import measure_class
from pipelines.judge.privacy.sides import draw_sides
from pipelines.source.ingest import RealRows
from schemas.privacy import PrivacyFindings


@step
def privacy_task(build: Build, real: RealRows) -> PrivacyFindings:
    """Measure what made rows reveal of real ones; raises PrivacyError if that is more than the spec allows.

    The figures are kept, so that the same build is stopped again at once.
    """
    plan, workspace = build.plan, build.workspace
    found = load_findings(plan, workspace)
    if found is None:
        names = actors.run(draw_sides, plan, real, workspace)
        classes = list(actors.run_all(measure_class, ((plan, workspace, name) for name in names)))
        found = combine_findings(plan, classes, actors.run(measure_groups, plan, workspace))
        save_findings(found, workspace)
    refuse_breach(plan, found)
    return found
