"""Plans tables, the modality of every source that is neither text nor images."""

from pipelines.modality import modality_of
from pipelines.plan.model_view import modelled
from pipelines.plan.registry import generator_class, generators_for
from schemas.errors import Advice, Fault, SpecError
from schemas.plan import Plan, SourceProfile

_WORDS = 3
"""The fewest words on average of values that are texts."""


def row_width(profile: SourceProfile) -> int:
    """Return the number of columns that a generator learns."""
    return max(1, len(modelled(profile)))


def refuse_texts(plan: Plan) -> None:
    """Raise SpecError for a source of texts, since a generator of tables could only copy them."""
    columns, rows = modelled(plan.profile), plan.profile.rows
    if len(generator_class(plan.generator.name).capabilities.modalities) != 1 or len(columns) != 1:
        return
    one = columns[0]
    words = sum(len(text.split()) for text in one.categories or []) / max(1, len(one.categories or []))
    different = one.distinct is None or one.distinct > rows / 2
    if one.type == "string" and different and (one.categories is None or words >= _WORDS):
        named = plan.generator.name != modality_of(plan).generator  # the default may be nobody's choice
        taken = f"{plan.generator.name!r} makes rows of tables" if named else "the source is taken for a table"
        advice = Advice(("source", "modality"), "text")
        problem = (
            f"{taken}, and {one.name!r}, the only column beside the class, holds texts: set {advice}, and"
            f" a generator of texts ({', '.join(generators_for('text'))}){'' if named else ', or none'}"
        )
        at = ("generator", "name") if named else advice.path
        raise SpecError(Fault(at, problem, "texts-as-table", advice))
