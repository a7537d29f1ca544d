"""Short explanations of each figure of fidelity. Knows no page and no terminal."""

MEANING = {
    "Quality": "mean of the next two",
    "Quality: Column Shapes": "each column alone; 1 is the same",
    "Quality: Column Pair Trends": "columns two by two; 1 is the same",
    "Diagnostic": "mean of the next two",
    "Diagnostic: Data Validity": "values within the real ranges and categories",
    "Diagnostic: Data Structure": "the real columns, and no others",
    "FID": "Fréchet distance of the features; 0 is the same",
    "KID": "kernel distance of the features; 0 is the same, below it is chance",
    "Inception score": "surely of one class each, and of all classes; at most the number of classes",
    "Precision": "share of images that lie where real ones do",
    "Recall": "share of real images that lie where these do",
    "Density": "how thickly real images lie around these; 1 as around real ones",
    "Coverage": "share of real images that have one of these near by",
    "Self-BLEU": "0 to 100; high: the texts are alike",
    "Distinct-1": "share of different words; low: the same is said again",
    "Distinct-2": "share of different pairs of words",
    "Distinct-3": "share of different runs of three words",
    "Perplexity": "how surprising a language model finds the texts",
    "SSIM": "structural similarity; 1 is the same image",
    "PSNR (dB)": "peak signal-to-noise ratio; high is near",
    "Same pixels": "share of images that did not change",
    "BLEU": "0 to 100, from shared runs of up to four words",
    "ROUGE-1": "shared words",
    "ROUGE-2": "shared pairs of words",
    "ROUGE-L": "longest common sequence of words",
    "METEOR": "shared words and stems, in order",
}
_NO_SHARE = {"FID", "KID", "Inception score", "Self-BLEU", "BLEU", "Perplexity", "PSNR (dB)"}


def is_share(name: str) -> bool:
    """Whether a figure runs from 0 to 1, at least roughly.

    >>> is_share("Recall"), is_share("FID")
    (True, False)
    """
    return name not in _NO_SHARE


def format_figure(value: float | None) -> str:
    """Return a figure as text, with about three digits.

    >>> format_figure(0.12345), format_figure(1234.5)
    ('0.123', '1,234')
    """
    if value is None:
        return "\N{EN DASH}"
    if value and abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"
