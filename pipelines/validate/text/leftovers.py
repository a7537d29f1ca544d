"""What language models leave around the text that they were asked for. Knows no dataset."""

_SELF = r"an? (?:ai|artificial intelligence|(?:large )?language model)\b"
_VERBS = "assist|help|comply|fulfill?|provide|generate|create|write|produce"
_PRODUCTS = "text|version|message|example|paraphrase|translation|summary"

LEFTOVERS: dict[str, str] = {
    "about itself": rf"\bas {_SELF}|\bi(?:['\u2019]m| am) {_SELF}",
    "refusal": r"\bi(?:['\u2019]m| am) sorry,? but (?:i|as)\b"
    rf"|\bi (?:cannot|can['\u2019]t|am unable to) (?:{_VERBS})\b",
    "announcement": r"\A\W*(?:sure|certainly|of course|absolutely)[!,.:]|\A\W*here(?:['\u2019]s| is| are)\b[^\n]{0,80}:"
    rf"|\A\W*(?:the )?(?:rewritten|paraphrased|generated|translated) (?:{_PRODUCTS})s?\b",
    "closing": r"\bi hope this helps\b|\blet me know if you(?:['\u2019]d like| would like| need| want)\b",
    "chat token": r"<\|[a-z_0-9]+\|>|\[/?inst\]|<</?sys>>|</?s>|<(?:start|end)_of_turn>"
    r"|[<\[](?:unk|pad|mask|cls|sep)[\]>]",
    "role": r"(?:\A|\n)\W*(?:user|assistant|system|human|response|output|input|instructions?):",
    "placeholder": r"\{\{?\s*\w+\s*\}?\}|[<\[](?:your|insert|name of|company name)\b[^>\]\n]{0,40}[>\]]",
    "markup": r"```|(?:\A|\n)#{1,6} \S|\*\*[^*\n]{1,80}\*\*",
    "structured": rf"\A\s*[{{\[]\s*\"[\s\S]*[}}\]]\s*\Z|\A\s*\"?(?:label|{_PRODUCTS})\"?\s*:",
    "list item": r"\A\s*(?:\d{1,2}[.)]|[-*•])\s+\S",
}
"""Kinds of leftovers, each as a regular expression to be looked for without regard to case."""
