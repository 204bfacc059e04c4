"""Pins: which requirements apply in an interpreter, and who keeps whom from a newer release."""

from __future__ import annotations

import platform

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from interpreters.deployed.pins import Pin, broken, holding, markers_of, needed, read_pins
from interpreters.distributions import Distribution

OLD, NEW = markers_of("3.9.18", "CPython"), markers_of("3.11.2", "CPython")

BOTOCORE = Distribution(
    "botocore",
    "1.31.85",
    (
        'urllib3 (<1.27,>=1.25.4) ; python_version < "3.10"',
        'urllib3 (<2.1,>=1.25.4) ; python_version >= "3.10"',
        "jmespath<2.0.0,>=0.7.1",
        'awscrt==0.19.12 ; extra == "crt"',
    ),
)
BOTO3 = Distribution("boto3", "1.28.85", ("botocore<1.32.0,>=1.31.85", "s3transfer<0.8.0,>=0.7.0"))
AWSCLI = Distribution("awscli", "1.29.85", ("botocore==1.31.85",))
S3TRANSFER = Distribution("s3transfer", "0.7.0", ("botocore<2.0a.0,>=1.12.36",))
REQUESTS = Distribution("requests", "2.31.0", ("urllib3<3,>=1.21.1",))
ALL = (AWSCLI, BOTO3, BOTOCORE, REQUESTS, S3TRANSFER, Distribution("urllib3", "1.26.20"))
NEWEST = {"urllib3": "2.8.0", "botocore": "1.44.8", "boto3": "1.44.8", "awscli": "1.44.87"}

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
VERSION = st.builds("{}.{}".format, st.integers(0, 3), st.integers(0, 3))
SPECIFIER = st.lists(
    st.builds("{}{}".format, st.sampled_from(["<", "<=", "==", ">=", ">", "!=", "~="]), VERSION), max_size=2
)


@st.composite
def environments(draw: st.DrawFn) -> tuple[Distribution, ...]:
    """Draw distributions that ask anything of each other, cycles included."""
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    asked = st.lists(st.builds(lambda n, s: n + ",".join(s), NAMES, SPECIFIER), max_size=3)
    return tuple(Distribution(name, draw(VERSION), tuple(draw(asked))) for name in names)


def test_markers_are_those_of_the_interpreter() -> None:
    """For the Python that runs this, they are what packaging says of it."""
    ours = markers_of(platform.python_version(), platform.python_implementation())
    assert ours == {**default_environment()}


@given(minor=st.integers(6, 15), bound=st.integers(6, 15))
def test_a_requirement_applies_by_the_interpreters_version(minor: int, bound: int) -> None:
    """Not by that of the tool's own Python, and 3.10 is after 3.9."""
    one = Distribution("one", "1", (f'other ; python_version < "3.{bound}"',))
    assert bool(read_pins([one], markers_of(f"3.{minor}.1", "CPython"))) is (minor < bound)


def test_the_words_say_who_asks_for_what() -> None:
    """As the metadata has it, for this Python."""
    assert [str(pin) for pin in holding(read_pins(ALL, OLD), ["urllib3"], NEWEST)] == [
        "botocore 1.31.85 asks for urllib3<1.27,>=1.25.4",
        "awscli 1.29.85 asks for botocore==1.31.85",
        "boto3 1.28.85 asks for botocore<1.32.0,>=1.31.85",
    ]
    (own, *_) = holding(read_pins(ALL, NEW), ["urllib3"], NEWEST)
    assert str(own) == "botocore 1.31.85 asks for urllib3<2.1,>=1.25.4"


def test_an_extra_counts_where_another_asks_for_it() -> None:
    """boto3[crt] asks for botocore[crt], which asks for awscrt; without that, nobody does."""
    crt = Distribution("shop", "1", ("boto3[crt]",))
    boto3 = Distribution("boto3", "1.28.85", ('botocore[crt] ; extra == "crt"', "botocore"))
    asked = {pin.on for pin in read_pins([boto3, BOTOCORE], NEW)}
    assert "awscrt" not in asked
    assert "awscrt" in {pin.on for pin in read_pins([crt, boto3, BOTOCORE], NEW)}


@given(texts=st.lists(st.text(max_size=30), max_size=4))
def test_what_is_no_requirement_is_left_out(texts: list[str]) -> None:
    """Whatever the metadata says, the rest is read."""
    pins = read_pins([Distribution("odd", "1", tuple(texts)), REQUESTS], NEW)
    assert Pin(REQUESTS, "urllib3", "<3,>=1.21.1") in pins


def test_a_url_names_no_version() -> None:
    """A requirement by URL holds nobody to a release."""
    assert read_pins([Distribution("one", "1", ("other @ https://example.org/other.zip",))], NEW) == ()


@given(there=environments(), names=st.sets(NAMES, min_size=1), newest=st.dictionaries(NAMES, VERSION))
def test_who_holds_back_is_all_who_do(
    there: tuple[Distribution, ...], names: set[str], newest: dict[str, str]
) -> None:
    """Each pin that is returned forbids the newest of what has to move, and none that does is missing."""
    pins = read_pins(there, NEW)
    held = holding(pins, names, newest)
    moving = names | {pin.holder.name for pin in held}
    forbidding = {
        pin for pin in pins if pin.on in newest and Version(newest[pin.on]) not in SpecifierSet(pin.specifier)
    }
    assert set(held) == {pin for pin in forbidding if pin.on in moving}
    assert len(set(held)) == len(held)


@given(there=environments(), names=st.sets(NAMES))
def test_what_is_needed_is_closed(there: tuple[Distribution, ...], names: set[str]) -> None:
    """What is needed of what is needed is needed, and nothing is that nobody asks for."""
    pins = read_pins(there, NEW)
    found = needed(pins, names)
    assert names <= found
    assert found - names <= {pin.on for pin in pins}
    assert all(pin.on in found for pin in pins if pin.holder.name in found)


@given(there=environments())
def test_what_the_environment_does_not_keep(there: tuple[Distribution, ...]) -> None:
    """A pin is broken if what it is on is there in a version that it does not allow."""
    versions = {one.name: one.version for one in there}
    for pin in read_pins(there, NEW):
        is_broken = pin.on in versions and not pin.allows(versions[pin.on])
        assert (pin in broken([pin], there)) is is_broken


@pytest.mark.parametrize(
    ("specifier", "above"),
    [
        ("", False),
        (">=1", False),
        ("!=1", False),
        ("<2", True),
        ("==1.*", True),
        ("~=1.0", True),
        ("===1", True),
    ],
)
def test_a_pin_from_above_leaves_out_later_releases(specifier: str, *, above: bool) -> None:
    """A lower bound does not."""
    assert Pin(BOTO3, "x", specifier).from_above is above
