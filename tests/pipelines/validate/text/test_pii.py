import pytest

from pipelines.validate.text.pii import PiiParams
from schemas.errors import SpecError
from schemas.spec import parse


def test_only_the_kinds_asked_for(kind_of) -> None:
    assert kind_of("a@b.de 192.168.0.1", kinds=["ip"]) == "ip"
    assert kind_of("a@b.de", kinds=["ip"]) is None


def test_faults_are_found_when_the_spec_is_read() -> None:
    with pytest.raises(SpecError, match=r"'XX': no country; give two-letter codes, as in \[US, GB\]"):
        parse(PiiParams, {"regions": ["XX"]}, ())
    with pytest.raises(SpecError, match="kinds"):
        parse(PiiParams, {"kinds": ["mail"]}, ())
