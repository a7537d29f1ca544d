"""What is personal in a text, and what only looks so."""

import pytest


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jo.do+x@mail.example.org now", "email"),
        ("call +44 20 7946 0958 today", "phone"),
        ("pay with 4111 1111 1111 1111.", "card"),
        ("pay with 5500-0000-0000-0004", "card"),
        ("pay with \uff14111111111111111", "card"),
        ("to DE89 3704 0044 0532 0130 00 please", "iban"),
        ("to gb82west12345698765432", "iban"),
        ("the host 192.168.0.1.", "ip"),
        ("the host fe80::1ff:fe23:4567:890a", "ip"),
        ("his number is 219-09-9998", "national_id"),
        ("codice RSSMRA85T10A562S", "national_id"),
        ("no 1 85 05 78 006 084 91", "national_id"),
        ("DNI 12345678Z", "national_id"),
    ],
)
def test_what_is_found(kind_of, text, kind) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "see you @ 5",
        "card 4111 1111 1111 1112",
        "IBAN DE89 3704 0044 0532 0130 01",
        "at 12:30:45, version 1.2.3.4.5 or 999.1.1.1",
        "win 1000 or 5000 pounds in week 45, code 87121",
        "order 219099998 of 2020-01-01 12345678A",
        "+1 000",
    ],
)
def test_what_is_not(kind_of, text) -> None:
    assert kind_of(text) is None


def test_numbers_as_dialled_within_a_country_need_the_country(kind_of) -> None:
    assert kind_of("call 020 7946 0958") is None
    assert kind_of("call 020 7946 0958", regions=["gb"]) == "phone"
    assert kind_of("nummer 111222333", regions=["NL"]) == "national_id"
    assert kind_of("nummer 111222333") is None
