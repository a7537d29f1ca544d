"""Words for the figures of privacy, on the terminal, in messages and in the report."""

from schemas.privacy import Figure, FigureName, PrivacyFindings

TITLES: dict[FigureName, str] = {
    "attack_auc": "attack AUC",
    "attack_tpr": "attack hits at 1% false alarms",
    "closer": "closer to learnt rows",
    "copies": "copies",
    "singling_out": "singled out",
    "k_anonymity": "k-anonymity",
    "l_diversity": "l-diversity",
}
MEANING: dict[FigureName, str] = {
    "attack_auc": "how well an attack tells learnt rows from held-out ones; 0.5 is a guess",
    "attack_tpr": "share of learnt rows that the attack finds while it is wrong about 1% of others; 0.01 is a guess",
    "closer": "share of made rows closer to learnt rows than to held-out ones, were there as many; 0.5 is chance",
    "copies": "share of learnt rows that were made again exactly, beyond that of held-out ones",
    "singling_out": "share of what one learnt row alone has that made rows have too, beyond that of held-out ones",
    "k_anonymity": "made rows that agree in all quasi-identifiers, at least",
    "l_diversity": "values of a sensitive column that made rows which agree so have, at least",
}
CHANCE: dict[FigureName, float] = {
    "attack_auc": 0.5,
    "attack_tpr": 0.01,
    "closer": 0.5,
    "copies": 0.0,
    "singling_out": 0.0,
}
"""The value of each share where made rows reveal nothing."""


def format_value(figure: Figure) -> str:
    """Return the value of a figure as text."""
    return f"{figure.value:,.0f}" if figure.counted else f"{figure.value:.3f}"


def format_interval(figure: Figure) -> str:
    """Return the interval of a figure as text; empty for a count."""
    return "" if figure.counted else f"{figure.low:.3f} to {figure.high:.3f}"


def format_limit(figure: Figure) -> str:
    """Return the limit of a figure as text."""
    if figure.limit is None:
        return "none"
    return f"{figure.limit:,.0f}" if figure.counted else f"{figure.limit:g}"


def summary(found: PrivacyFindings) -> list[str]:
    """Return the figures in one line, and the notes."""
    listed = [
        f"{TITLES[figure.name]} {format_value(figure)} (limit {format_limit(figure)})" for figure in found.figures
    ]
    return [f"privacy: {line}" for line in ([", ".join(listed)] if listed else []) + found.notes]
