"""Finds personal data in one text: strings that are written like it, and prove valid. Knows no dataset.

The groups of a number may be separated by a space, dash, dot or slash. Full-width digits count as digits (NFKC).
"""

import importlib
import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@\w(?:[\w-]{0,61}\w)?(?:\.\w(?:[\w-]{0,61}\w)?)+")  # as the HTML standard
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|:)?(?![\w:])", re.ASCII | re.IGNORECASE)
_IBAN = re.compile(r"(?<!\w)[a-z]{2}\d{2}(?: ?[a-z0-9]){10,36}", re.ASCII | re.IGNORECASE)
_GROUPS = re.compile(r"(?<!\w)\d+(?:[ ./-]\d+){0,15}(?!\w)", re.ASCII)
_TOKEN = re.compile(r"(?<!\w)[a-z0-9]+(?:[.+/-][a-z0-9]+){0,4}(?!\w)", re.ASCII | re.IGNORECASE)
_CARD = re.compile(  # of the large issuers, by first digits (ISO/IEC 7812) and length
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7]|35)\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6\d{15,18}", re.ASCII
)
_FEWEST_DIGITS = 5  # of an identity number

_DISTINCT = {
    "CN": ["cn.ric"],
    "ES": ["es.dni", "es.nie"],
    "FI": ["fi.hetu"],
    "FR": ["fr.nir"],
    "IT": ["it.codicefiscale"],
    "KR": ["kr.rrn"],
    "MX": ["mx.curp"],
    "US": ["us.ssn"],
}
"""Identity numbers (modules of stdnum) that hardly any other number looks like: searched in all texts."""

_BY_COUNTRY = {
    "AR": ["ar.dni"],
    "AT": ["at.vnr"],
    "AU": ["au.tfn"],
    "BE": ["be.nn"],
    "BG": ["bg.egn"],
    "BR": ["br.cpf"],
    "CA": ["ca.sin"],
    "CH": ["ch.ssn"],
    "CL": ["cl.rut"],
    "CZ": ["cz.rc"],
    "DE": ["de.idnr"],
    "DK": ["dk.cpr"],
    "EC": ["ec.ci"],
    "EE": ["ee.ik"],
    "GB": ["gb.nhs"],
    "GR": ["gr.amka"],
    "HR": ["hr.oib"],
    "ID": ["id.nik"],
    "IE": ["ie.pps"],
    "IL": ["il.idnr"],
    "IN": ["in_.aadhaar", "in_.pan"],
    "IS": ["is_.kennitala"],
    "LT": ["lt.asmens"],
    "MY": ["my.nric"],
    "NL": ["nl.bsn"],
    "NO": ["no.fodselsnummer"],
    "PK": ["pk.cnic"],
    "PL": ["pl.pesel"],
    "PT": ["pt.cc"],
    "RO": ["ro.cnp"],
    "SE": ["se.personnummer"],
    "SI": ["si.emso"],
    "SK": ["sk.rc"],
    "TH": ["th.pin"],
    "TR": ["tr.tckimlik"],
    "ZA": ["za.idnr"],
}
"""Identity numbers that many other numbers look like: searched only if the country is named."""


def is_region(code: str) -> bool:
    """Whether a code is the two-letter code of a country that has phone numbers."""
    import phonenumbers

    return code.upper() in phonenumbers.SUPPORTED_REGIONS


def has_email(text: str) -> bool:
    """Whether the text has an e-mail address.

    >>> has_email("Write to ann@example.org."), has_email("ann at example")
    (True, False)
    """
    return "@" in text and bool(_EMAIL.search(text))


def has_phone(text: str, regions: Sequence[str]) -> bool:
    """Whether the text has a valid phone number: with a country code, or as dialled within one of the regions."""
    import phonenumbers

    if sum(map(str.isdigit, text)) < 7:
        return False
    abroad: list[str | None] = [None] if "+" in text or "\uff0b" in text else []
    searched = list(regions) or abroad
    return any(phonenumbers.PhoneNumberMatcher(text, region).has_next() for region in searched)


def has_card(text: str) -> bool:
    """Whether the text has a payment card's number; its last digit checks the others (Luhn)."""
    from stdnum import luhn

    return any(_CARD.fullmatch(number) and luhn.is_valid(number) for number in _digit_runs(text))


def has_iban(text: str) -> bool:
    """Whether the text has a bank account's number (ISO 13616)."""
    from stdnum import iban

    for match in _IBAN.finditer(_normalise(text)):
        compact = match[0].replace(" ", "")
        if any(iban.is_valid(compact[:end]) for end in range(14, min(len(compact), 34) + 1)):
            return True
    return False


def has_ip(text: str) -> bool:
    """Whether the text has an internet address, of version 4 or 6."""
    addresses = [match[0] for pattern in (_IPV4, _IPV6) for match in pattern.finditer(text)]
    return any(_is_ip(address) for address in addresses if len(address) > 3)


def has_national_id(text: str, regions: Sequence[str]) -> bool:
    """Whether the text has an identity number whose check digits, date or form prove it valid."""
    numbers = [m[0] for m in _TOKEN.finditer(_normalise(text)) if sum(map(str.isdigit, m[0])) >= _FEWEST_DIGITS]
    numbers += [number for number in _digit_runs(text, parted=True) if len(number) >= 8]
    if not numbers:
        return False
    return any(_is_valid(module, number) for module in _modules(tuple(regions)) for number in numbers)


def _normalise(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _digit_runs(text: str, *, parted: bool = False) -> Iterator[str]:
    """Yield the digits of each run of neighbouring groups of digits; with `parted`, of at least two groups."""
    for match in _GROUPS.finditer(_normalise(text)):
        groups = re.split(r"\D", match[0])
        for start in range(len(groups)):
            for end in range(start + 1 + parted, len(groups) + 1):
                yield "".join(groups[start:end])


def _is_valid(module: Any, number: str) -> bool:
    if module.__name__ == "stdnum.us.ssn" and number.count("-") != 2:
        return False  # it has no check digit: any nine digits would do
    if module.__name__ == "stdnum.it.codicefiscale" and number.isdigit():
        return False  # that is a company's
    return bool(module.is_valid(number))


@cache
def _modules(regions: tuple[str, ...]) -> list[Any]:
    regional = [name for region in regions for name in _BY_COUNTRY.get(region, [])]
    names = [name for modules in _DISTINCT.values() for name in modules] + regional
    return [importlib.import_module(f"stdnum.{name}") for name in names]
