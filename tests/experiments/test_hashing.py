"""Buckets: equal to GrowthBook's, uniform, independent, and the same for ever."""

import hashlib
import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from clickwright.experiments.hashing import (
    Scheme,
    bucket,
    buckets,
    fnv1a32,
    layer_bucket,
    layer_buckets,
    pseudonym,
)

SCHEMES: tuple[Scheme, ...] = ("clickwright", "growthbook_v1", "growthbook_v2")
PERSON_IDS = [f"user-{n}" for n in range(50_000)]
DEVICE_IDS = [hashlib.md5(str(n).encode()).hexdigest() for n in range(50_000)]

# Of `cases.json`, which all of GrowthBook's SDKs are tested with (version 0.7.1).
GROWTHBOOK_HASHES = [
    ("", "a", 1, 0.22),
    ("", "b", 1, 0.077),
    ("b", "a", 1, 0.946),
    ("ef", "d", 1, 0.652),
    ("asdf", "8952klfjas09ujk", 1, 0.549),
    ("", "123", 1, 0.011),
    ("", '___)((*":&', 1, 0.563),
    ("seed", "a", 2, 0.0505),
    ("seed", "b", 2, 0.2696),
    ("foo", "ab", 2, 0.2575),
    ("foo", "def", 2, 0.2019),
    ("89123klj", "8952klfjas09ujkasdf", 2, 0.124),
    ("90850943850283058242805", "123", 2, 0.7516),
    ("()**(%$##$%#$#", '___)((*":&', 2, 0.0128),
]
GROWTHBOOK_NAMESPACES = [
    # User, namespace, whether it lies in [0, 0.4); all lie there or in [0.4, 1).
    ("1", "namespace1", False),
    ("1", "namespace2", False),
    ("2", "namespace1", False),
    ("2", "namespace2", False),
    ("3", "namespace1", False),
    ("3", "namespace2", True),
    ("4", "namespace1", False),
    ("4", "namespace2", True),
]


@pytest.mark.parametrize(
    ("text", "value"),
    [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)],
)
def test_the_hash_is_fnv_1a_as_its_authors_publish_it(text: str, value: int) -> None:
    assert fnv1a32(text) == value


@pytest.mark.parametrize(("seed", "unit", "version", "place"), GROWTHBOOK_HASHES)
def test_buckets_are_those_of_growthbook(
    seed: str, unit: str, version: int, place: float
) -> None:
    scheme: Scheme = "growthbook_v1" if version == 1 else "growthbook_v2"

    assert bucket(scheme, seed, unit) / 10_000 == place


@pytest.mark.parametrize(("unit", "namespace", "inside"), GROWTHBOOK_NAMESPACES)
def test_layers_are_the_namespaces_of_growthbook(
    unit: str, namespace: str, inside: bool
) -> None:
    assert (layer_bucket("growthbook_v2", namespace, unit) < 4_000) == inside


def test_a_text_beyond_ascii_is_hashed_by_utf_16_code_units() -> None:
    # An SDK in JavaScript sees the smiling face as two code units.
    pair = fnv1a32("\ud83d\ude00")

    assert fnv1a32("\U0001f600") == pair
    assert fnv1a32("é") == (0x811C9DC5 ^ 0xE9) * 0x01000193 % 2**32


@pytest.mark.parametrize("scheme", SCHEMES)
@given(
    units=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
    salt=st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)
def test_many_units_fall_where_each_falls_alone(
    scheme: Scheme, units: list[str], salt: str
) -> None:
    alone = [bucket(scheme, salt, unit) for unit in units]
    layered = [layer_bucket(scheme, salt, unit) for unit in units]

    assert buckets(scheme, salt, units).tolist() == alone
    assert layer_buckets(scheme, salt, units).tolist() == layered


def test_buckets_of_our_own_scheme_stay_as_they_were() -> None:
    # A change here would move the units of every experiment that runs.
    text = b"crosses\nuser-1"
    first = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") % 10_000

    found = [bucket("clickwright", "crosses", f"user-{n}") for n in (1, 2, 3)]

    assert found == [first, 9_679, 4_176]
    assert layer_bucket("clickwright", "feed", "user-1") == 9_412


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("units", [PERSON_IDS, DEVICE_IDS], ids=["person", "device"])
def test_buckets_are_uniform(scheme: Scheme, units: list[str]) -> None:
    found = buckets(scheme, "crosses", units)

    counts = np.bincount(found // 100, minlength=100)

    assert scipy.stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("scheme", ["clickwright", "growthbook_v2"])
@pytest.mark.parametrize("units", [PERSON_IDS, DEVICE_IDS], ids=["person", "device"])
def test_experiments_and_layers_deal_units_independently(
    scheme: Scheme, units: list[str]
) -> None:
    deals = [buckets(scheme, salt, units) for salt in ("crosses", "crosses2", "ranks")]
    deals.append(layer_buckets(scheme, "crosses", units))

    for one, other in itertools.combinations(deals, 2):
        table = np.zeros((10, 10))
        np.add.at(table, (one // 1_000, other // 1_000), 1)
        assert scipy.stats.chi2_contingency(table).pvalue > 0.001


def test_neighbouring_salts_are_dependent_in_growthbooks_first_version() -> None:
    # Why it has a second one: the last letter of the salt moves all units alike.
    one = buckets("growthbook_v1", "crosses1", PERSON_IDS)
    other = buckets("growthbook_v1", "crosses2", PERSON_IDS)

    table = np.zeros((2, 2))
    np.add.at(table, (one // 5_000, other // 5_000), 1)

    assert scipy.stats.chi2_contingency(table).pvalue < 1e-6


def test_a_pseudonym_hangs_on_the_secret_and_does_not_hold_the_unit() -> None:
    one = pseudonym("ada@example.org", b"secret")

    assert one == pseudonym("ada@example.org", b"secret")
    assert one != pseudonym("ada@example.org", b"another")
    assert one != pseudonym("ida@example.org", b"secret")
    assert len(one) == 64 and "ada" not in one
