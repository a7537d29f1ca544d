"""Finds personal data in one text: what is written like it, and proves valid. Knows no dataset.

A number's groups may be parted by a space, dash, dot or slash. Full-width digits count as digits (NFKC).
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
"""Identity numbers (modules of stdnum) that are hardly mistaken for anything else: looked for everywhere."""

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
"""Those that many other numbers look like: looked for where the country is named."""


def is_region(code: str) -> bool:
    """Return whether it is the two-letter code of a country that has phone numbers."""
    import phonenumbers

    return code.upper() in phonenumbers.SUPPORTED_REGIONS


def has_email(text: str) -> bool:
    """Return whether an e-mail address stands in the text."""
    return "@" in text and bool(_EMAIL.search(text))


def has_phone(text: str, regions: Sequence[str]) -> bool:
    """Return whether a valid phone number does: with its country's code, or as dialled within one of the regions."""
    import phonenumbers

    if sum(map(str.isdigit, text)) < 7:
        return False
    abroad: list[str | None] = [None] if "+" in text or "\uff0b" in text else []
    tried = list(regions) or abroad
    return any(phonenumbers.PhoneNumberMatcher(text, region).has_next() for region in tried)


def has_card(text: str) -> bool:
    """Return whether a payment card's number does; its last digit checks the rest (Luhn)."""
    from stdnum import luhn

    return any(_CARD.fullmatch(number) and luhn.is_valid(number) for number in _numbers(text))


def has_iban(text: str) -> bool:
    """Return whether a bank account's number does (ISO 13616)."""
    from stdnum import iban

    for match in _IBAN.finditer(_plain(text)):
        compact = match[0].replace(" ", "")
        if any(iban.is_valid(compact[:end]) for end in range(14, min(len(compact), 34) + 1)):
            return True
    return False


def has_ip(text: str) -> bool:
    """Return whether an internet address does, of either version."""
    found = [match[0] for pattern in (_IPV4, _IPV6) for match in pattern.finditer(text)]
    return any(_is_ip(address) for address in found if len(address) > 3)


def has_national_id(text: str, regions: Sequence[str]) -> bool:
    """Return whether an identity number does that its check digits, date or form prove valid."""
    written = [m[0] for m in _TOKEN.finditer(_plain(text)) if sum(map(str.isdigit, m[0])) >= _FEWEST_DIGITS]
    written += [number for number in _numbers(text, parted=True) if len(number) >= 8]
    if not written:
        return False
    return any(_proves(module, number) for module in _modules(tuple(regions)) for number in written)


def _plain(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _numbers(text: str, *, parted: bool = False) -> Iterator[str]:
    """Yield the digits of each run of neighbouring groups of digits; with `parted`, of two groups or more alone."""
    for match in _GROUPS.finditer(_plain(text)):
        groups = re.split(r"\D", match[0])
        for start in range(len(groups)):
            for end in range(start + 1 + parted, len(groups) + 1):
                yield "".join(groups[start:end])


def _proves(module: Any, number: str) -> bool:
    if module.__name__ == "stdnum.us.ssn" and number.count("-") != 2:
        return False  # it has no check digit: any nine digits would do
    if module.__name__ == "stdnum.it.codicefiscale" and number.isdigit():
        return False  # that is a company's
    return bool(module.is_valid(number))


@cache
def _modules(regions: tuple[str, ...]) -> list[Any]:
    named = [name for region in regions for name in _BY_COUNTRY.get(region, [])]
    names = [name for modules in _DISTINCT.values() for name in modules] + named
    return [importlib.import_module(f"stdnum.{name}") for name in names]
