"""The gate: a limit is broken where chance cannot be why."""

from schemas.privacy import Figure


def figure(name="attack_auc", **parts):
    return Figure(**{"name": name, "value": 0.7, "low": 0.55, "high": 0.85, "limit": 0.6} | parts)


def test_a_limit_is_broken_when_chance_cannot_be_why():
    assert figure().holds
    assert not figure(low=0.61).holds
    assert figure(low=0.61, limit=None).holds
    assert not figure("k_anonymity", value=2, low=2, high=2, limit=3).holds
    assert figure("k_anonymity", value=3, low=3, high=3, limit=3).holds
