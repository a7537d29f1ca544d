"""What a plan must know of tables, which any source is that is nothing else."""

from pipelines.plan.features import modelled
from pipelines.plan.registry import generator_class, generators_for
from schemas.errors import Advice, Fault, SpecError
from schemas.plan import Plan, SourceProfile

_WORDS = 3
"""Words that values have on average where they are texts."""


def row_width(profile: SourceProfile) -> int:
    """Return the columns that a generator learns."""
    return max(1, len(modelled(profile)))


def refuse_texts(plan: Plan) -> None:
    """Raise SpecError for a source of texts: a generator of tables could but copy them."""
    columns, rows = modelled(plan.profile), plan.profile.rows
    if len(generator_class(plan.generator.name).capabilities.modalities) != 1 or len(columns) != 1:
        return
    one = columns[0]
    words = sum(len(text.split()) for text in one.categories or []) / max(1, len(one.categories or []))
    different = one.distinct is None or one.distinct > rows / 2
    if one.type == "string" and different and (one.categories is None or words >= _WORDS):
        advice = Advice(("source", "modality"), "text")
        problem = (
            f"{plan.generator.name!r} makes rows of tables, and {one.name!r}, the only column beside the class, holds "
            f"texts: set {advice}, and a generator of texts ({', '.join(generators_for('text'))})"
        )
        raise SpecError(Fault(("generator", "name"), problem, "texts-as-table", advice))
