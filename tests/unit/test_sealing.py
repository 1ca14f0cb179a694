"""Sealed values open at their place only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tertulia.kit.errors import TamperedError
from tertulia.kit.sealing import FORMAT, OVERHEAD_BYTES, Sealer, new_key, place

SEALER = Sealer(bytes(range(32)))
PARTS = st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53), st.text()), max_size=5)


@given(value=st.binary(max_size=200), parts=PARTS)
def test_what_was_sealed_opens_at_its_place(value: bytes, parts: list[str | int | None]) -> None:
    sealed = SEALER.seal(value, place(*parts))
    assert len(sealed) == len(value) + OVERHEAD_BYTES
    assert SEALER.open(sealed, place(*parts)) == value


@given(one=PARTS, other=PARTS)
def test_different_places_read_differently(
    one: list[str | int | None], other: list[str | int | None]
) -> None:
    assert (place(*one) == place(*other)) == (one == other)


def test_places_do_not_run_together() -> None:
    assert len({place("ab", "c"), place("a", "bc"), place("abc"), place("abc", ""), place()}) == 5
    assert len({place(None), place("null"), place(1), place("1")}) == 4


def test_every_flipped_bit_is_detected() -> None:
    sealed = SEALER.seal(b"hello", b"here")
    for bit in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TamperedError):
            SEALER.open(bytes(altered), b"here")


@pytest.mark.parametrize("length", range(OVERHEAD_BYTES + 3))
def test_every_cut_is_detected(length: int) -> None:
    sealed = SEALER.seal(b"hello", b"here")
    with pytest.raises(TamperedError):
        SEALER.open(sealed[:length], b"here")


def test_another_place_or_key_is_detected() -> None:
    sealed = SEALER.seal(b"hello", place("c", "m", 1))
    with pytest.raises(TamperedError):
        SEALER.open(sealed, place("c", "m", 2))
    with pytest.raises(TamperedError):
        Sealer(new_key()).open(sealed, place("c", "m", 1))


def test_no_two_sealings_are_alike() -> None:
    assert len({SEALER.seal(b"hello", b"here") for _ in range(1000)}) == 1000


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32"):
        Sealer(b"short")


def test_places_read_as_they_always_did() -> None:
    """What was sealed long ago opens by these very bytes: they must never change."""
    assert place("o", 'é☃😀/\\"\n', None, -1, 2**60) == (
        '["o","é☃😀/\\\\\\"\\n",null,-1,1152921504606846976]'.encode()
    )


def test_what_was_sealed_long_ago_still_opens() -> None:
    sealed = bytes.fromhex("01e061538df73d1407e9fbdf9956f176487b94fd3bdeccf7c49cca9e3ae5afec72e6")
    assert sealed.startswith(FORMAT)
    assert SEALER.open(sealed, place("tenant", "conversation", 1)) == b"hello"
