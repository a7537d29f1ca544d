"""Writes prompts for a chat model, and reads its replies. Knows no network."""

import json
import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

PROMPT = """Write {count} new texts of the class {label!r}{description}.

Here are real ones, one JSON string a line:
{examples}

The new texts must be of the same kind, language, style and length as these, as different from them and from each \
other as these are among themselves, and hold no personal data of real people. Answer with a JSON object of this form, \
without any other text: {{"rows": ["first text", "second text"]}}"""

FIELDS = ("label", "description", "examples", "count")

_FENCE = re.compile(r"^\s*```\w*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)


def check_template(template: str, fields: Sequence[str]) -> str:
    """Return the template; raises ValueError if it is malformed, or holds a field that is not among `fields`.

    >>> check_template("a photo of a {label}", ["label"])
    'a photo of a {label}'
    """
    try:
        parts = [(name, spec) for _, name, spec, _ in Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"is no template ({error}); write {{{{ and }}}} for braces") from error
    wrong = [name for name, _ in parts if name not in fields]
    if wrong:
        known = ", ".join(f"{{{field}}}" for field in fields)
        raise ValueError(f"got {{{wrong[0]}}}, and knows {known}; write {{{{ and }}}} for braces")
    with_format = [(name, spec) for name, spec in parts if spec]
    if with_format:  # a width may be of any size, and a shape may hold fields of its own
        name, spec = with_format[0]
        raise ValueError(f"got {{{name}:{spec[:80]}}}, and a field has nothing after a colon; write {{{name}}}")
    return template


def fill_prompt(template: str, label: str, description: str, examples: Sequence[str], count: int) -> str:
    """Return the prompt for `count` rows of a class; the examples are shown as JSON strings.

    >>> fill_prompt("Write {count} texts like {examples}.", "spam", "", ["Win!"], 2)
    'Write 2 texts like "Win!".'
    """
    examples_as_json = "\n".join(json.dumps(text, ensure_ascii=False) for text in examples)
    parenthesis = f" ({description})" if description else ""
    return template.format(label=label, description=parenthesis, examples=examples_as_json, count=count)


def rows_schema(count: int) -> dict[str, Any]:
    """Return the JSON schema of an object whose `rows` are `count` strings."""
    rows = {"type": "array", "items": {"type": "string"}, "minItems": count, "maxItems": count}
    return {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}


def read_rows(content: str | None) -> list[str]:
    """Return the texts of a reply: `{"rows": [...]}` or a list, alone, in a code fence or among other words.

    Empty texts are left out; a reply without that JSON gives none.

    >>> read_rows('Here they are: ["one", "two"]')
    ['one', 'two']
    """
    fenced = _FENCE.match(content or "")
    body = fenced.group(1) if fenced else content or ""
    for candidate in (body, _cut_between(body, "{", "}"), _cut_between(body, "[", "]")):
        try:
            return _parse_texts(json.loads(candidate))
        except (ValueError, RecursionError):
            continue
    return []


def _cut_between(text: str, first: str, last: str) -> str:
    return text[text.find(first) : text.rfind(last) + 1] if first in text else ""


def _parse_texts(reply: Any) -> list[str]:
    """Return the texts of a parsed reply; raises ValueError if it holds no list."""
    if isinstance(reply, Mapping):
        lists = [reply["rows"]] if "rows" in reply else [value for value in reply.values() if isinstance(value, list)]
        reply = lists[0] if len(lists) == 1 else None
    if not isinstance(reply, list):
        raise ValueError("no list of rows")
    items = [item.get("text") if isinstance(item, Mapping) else item for item in reply]
    return [item.strip() for item in items if isinstance(item, str) and item.strip()]
