"""Removes credentials from paths, addresses and messages before they are shown or stored.

A text may come from the data and have any size and form, so every step takes time proportional to the text. Nested
quantifiers in patterns never backtrack, and no match attempt reads on over the text of the next one. What must stand
before a character, at any length, is searched in the reversed text.
"""

import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "***"

_PORT = r"""(?![0-9]{1,5}(?:[,;.)\]'"]{0,3}\s|[/?#][^@\s]{0,100}+\s))"""
_NAME_AND_MORE = r"[^\s/@:]*+:(?!\s)%s[^@\n]*+(?:\n[^\s@]*+(?=@))?+@?"
_HOST = r"(?:[^\s/?#@]*+@)*+"
_TOKEN = re.compile(rf"://[^\s/?#@:]++@{_HOST}")
_USER = re.compile(rf"(://(?:(?:(?<=[sS]3://)|(?<=[gG][sS]://)){_NAME_AND_MORE % ''}|{_NAME_AND_MORE % _PORT}){_HOST})")
"""Before `@`: a token; or a name, a colon and a password with any characters, even line ends, since some users do not
escape them. The match ends with the last `@` before the path. A host with a port and a space before the `@` does not
match; a bucket has no port. Without an `@`, the whole line is read, but only once."""
_SCHEMELESS = re.compile(r"""@[^\s@:]*+(?<!//)(?::[^\s@:/'"(\[{<]*+)++(?!/)""")
"""In reversed text: `@`, a password, a colon, and a name that is no part of a path."""
_MORE = re.compile(r"\*\*\*@(?:[^\s/?#@]*+@)++")
"""The rest of a password that contains an `@`, after the part before the first one is hidden."""

_NAMES = ("apikey", "accesskey", "accountkey", "keyid", "secret", "token", "password", "passwd", "pwd", "sig", "auth",
          "signature", "credential", "authorization", "?key", "&key", ";key", "_key", "-key", "%5fkey",
          "%2dkey")  # fmt: skip
"""The ends of names of secrets: a lone `key` is none, but `?key` and `api_key` are."""
_MARK, _SPARED = "\ufdd0", "\ufdd1"
"""Temporary marks of the start of a secret, and around what is none. Unicode keeps both out of any text."""


def _branches(words: Iterable[str]) -> str:
    """Return a pattern that matches any of the words in either case and reads no character twice."""
    after: dict[str, list[str]] = {}
    for word in words:
        after.setdefault(word[:1], []).append(word[1:])
    found = (f"[{re.escape(sign)}{sign.upper() if sign.isalpha() else ''}]{_branches(rest)}"
             for sign, rest in after.items() if sign)  # fmt: skip
    return "" if "" in after else f"(?:{'|'.join(found)})"


_ENDS = "".join(sorted({end for name in _NAMES for end in (name[-1], name[-1].upper())}))
_NAMED = rf"""(?=[ \t'"{_ENDS}])(?=[ \t]{{0,3}}(?:['"]\\?)?{_branches(name[::-1] for name in _NAMES)})"""
_ASSIGNED = {"=": re.compile(f"={_NAMED}(?<!==)"), ":": re.compile(f":{_NAMED}(?<!//:)")}
"""In reversed text: the sign that assigns, then the name of a secret, in quotes or not."""
_PROSE = r"(?:[a-z]{1,30}[.,;:)]?|[0-9][0-9,.%]{0,20})[ \t]++\S|(?i:bearer|basic|token|digest|negotiate|aws4-\S{1,20}) "
_WORDS = r"""(?:[^&\s'"\\](?:[^&\s'":]|:(?!\s|\Z))*+|\\?(?:'[^'\n]*+'|"[^"\n]*+"|['"]?[^&\s'"]++))"""
_VALUE = re.compile(rf"{_MARK}(?!\*{{3}}(?!\w))(?:[ \t]{{1,3}}(?!{_PROSE}))?+{_WORDS}")
"""A secret, but not the rest of a sentence: `class 'token': 412 of 1,000 rows`."""
_SCHEMES = re.compile(
    r"""([aA](?i:uthorization)["']?[ \t]{0,3}[:=][ \t]{0,3}["']?)"""
    r"""(?:((?i:bearer|basic|token))[ \t]{1,3}[^\s"']++|((?i:digest|negotiate|aws4-hmac-sha256))[ \t][^\n"']*+)"""
)
_BEARER = re.compile(r"[bB](?<!\w[bB])(?i:earer)[ \t]{1,3}[\w.~+/=-]{16,}+")
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_USUAL = re.compile("[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{1,20}")
_ISSUED = re.compile("(?:sk|pk|rk|hf|gh[opsu]|github_pat|glpat|xox[abp])_|AKIA|ASIA|eyJ")


def redacted_but(text: str, names: Iterable[str]) -> str:
    """Return the text redacted except for these names: a class `password=one` only looks like a credential."""
    spared = [name for name in dict.fromkeys(names) if name and name in text and redacted(name) != name]
    for number, name in enumerate(spared):
        text = text.replace(name, f"{_SPARED}{number}{_SPARED}")
    text = redacted(text)
    for number, name in enumerate(spared):
        text = text.replace(f"{_SPARED}{number}{_SPARED}", name)
    return text


def redacted(text: str) -> str:
    """Return a path or a message with `***` in place of each credential.

    A credential is the part before `@` in a URI (`s3://key:secret@bucket`, `https://TOKEN@host`) and in an address
    without a scheme (`user:secret@host`), the value of a name that suggests a secret (`?token=…`, `password: …`,
    `x-api-key: …`, `{'api_key': '…'}`), and the value of an `Authorization` header. Time is linear in the text.
    """
    text = _without_users(text)
    if "@" in text and ":" in text:
        text = _SCHEMELESS.sub(f"@{HIDDEN[::-1]}", text[::-1])[::-1]
        text = _MORE.sub(f"{HIDDEN}@", text) if f"{HIDDEN}@" in text else text
    return _without_values(text, "=:")


def _without_users(text: str) -> str:
    """Replace the user, key or token before the `@` of each address with a scheme by `***`."""
    if "://" not in text or "@" not in text:
        return text
    parts = _USER.split(_TOKEN.sub(f"://{HIDDEN}@", text))
    parts[1::2] = [f"://{HIDDEN}@" if part[-1] == "@" else part for part in parts[1::2]]
    return "".join(parts)


def _without_values(text: str, signs: str) -> str:
    """Replace values that `signs` assign to names of secrets, and those of `Authorization` headers, by `***`."""
    lowered = text.lower()
    if "authorization" in lowered:
        text = _SCHEMES.sub(lambda found: f"{found[1]}{found[2] or found[3]} {HIDDEN}", text)
    if any(name in lowered for name in _NAMES):
        turned = text[::-1]
        for sign in signs:
            turned = _ASSIGNED[sign].sub(f"{_MARK}{sign}", turned)
        text = _VALUE.sub(HIDDEN, turned[::-1]).replace(_MARK, "")
    return _BEARER.sub(f"Bearer {HIDDEN}", text) if "bearer" in lowered else text


def all_redacted(data: Any) -> Any:
    """Return data of JSON types with every text that contains a URI redacted."""
    if isinstance(data, str):
        if "://" not in data:
            return data  # a constraint or a prompt must not change
        return _without_values(_without_users(data), "=")
    if isinstance(data, dict):
        return {name: all_redacted(value) for name, value in data.items()}
    return [all_redacted(value) for value in data] if isinstance(data, list) else data


def variable_name(name: Any) -> Any:
    """Return the name of an environment variable that holds a key; raises ValueError for what may be the key itself.

    The message quotes nothing of the value, so a key that is given by mistake is never shown.
    """
    if name is None or (isinstance(name, str) and _VARIABLE.fullmatch(name) and not _is_like_a_key(name)):
        return name
    raise ValueError(
        "must be the name of an environment variable, in letters, digits and _, such as MAKEWEIGHT_KEY_1; what was got"
        " is not shown, since it may be the key itself: export it under a name, and give that name"
    )


def _is_like_a_key(name: str) -> bool:
    """Return whether a name is long and contains digits, or has the form of a key that a service issues."""
    mixed = name.lower() != name != name.upper() or "_" not in name
    return bool(_ISSUED.match(name) or (len(name) >= 16 and mixed and re.search("[0-9]", name)))


def told_variable(name: str) -> str:
    """Return the words for a variable in a message; its name is shown only if it has the usual form."""
    return f"the environment variable {name!r}" if _USUAL.fullmatch(name) else "the environment variable of that name"


def refuse_redacted(path: str) -> str:
    """Return the path; raises ValueError for a URI that was stored without its credentials."""
    if f"://{HIDDEN}@" in path:
        raise ValueError(
            f"the credentials were left out where this spec was kept, got {path!r}; take them out of the URI, and give"
            " them in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )
    return path
