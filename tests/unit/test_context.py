"""Fitting a branch into a window."""

from hypothesis import given
from hypothesis import strategies as st

from tertulia.domain.context import MESSAGE_OVERHEAD, PROMPT_OVERHEAD, Piece, fit


def branch(*tokens: int) -> list[Piece]:
    """A person's message, its reply, and so on."""
    return [Piece(tokens=n, may_begin=i % 2 == 0) for i, n in enumerate(tokens)]


def window(system: int, reserve: int, *tokens: int) -> int:
    """A window that these just fill."""
    return PROMPT_OVERHEAD + sum(n + MESSAGE_OVERHEAD for n in (system, *tokens)) + reserve


def test_a_branch_that_fits_is_shown_whole() -> None:
    found = fit(
        branch(10, 20, 30),
        system_tokens=5,
        window_tokens=window(5, 100, 10, 20, 30),
        reserve_tokens=100,
    )
    assert found is not None
    assert found.first == 0
    assert found.reply_tokens == 100


def test_the_oldest_messages_are_left_out_first() -> None:
    found = fit(
        branch(500, 500, 10, 10, 10),
        system_tokens=5,
        window_tokens=500,
        reserve_tokens=100,
    )
    assert found is not None
    assert found.first == 2


def test_a_prompt_begins_with_what_the_person_said() -> None:
    found = fit(branch(500, 10, 10), system_tokens=5, window_tokens=300, reserve_tokens=100)
    assert found is not None
    assert found.first == 2


def test_a_last_message_that_does_not_fit_is_no_prompt() -> None:
    size = window(5, 100, 50)
    assert fit(branch(50), system_tokens=5, window_tokens=size, reserve_tokens=100) is not None
    assert fit(branch(51), system_tokens=5, window_tokens=size, reserve_tokens=100) is None


def test_a_reply_that_goes_on_is_shown_with_its_question() -> None:
    size = window(5, 100, 50, 50)
    kept = fit(
        branch(10, 10, 50, 50),
        system_tokens=5,
        window_tokens=size,
        reserve_tokens=100,
        required=2,
    )
    assert kept is not None
    assert kept.first == 2
    too_long = fit(
        branch(51, 50), system_tokens=5, window_tokens=size, reserve_tokens=100, required=2
    )
    assert too_long is None


def test_the_beginning_stays_while_it_fits() -> None:
    """Models keep the evaluated prefix of a prompt that only grows at its end."""
    size = window(5, 100, *[20] * 10)
    tokens = [20] * 11
    first = fit(branch(*tokens), system_tokens=5, window_tokens=size, reserve_tokens=100)
    assert first is not None
    assert first.first > 1  # cut with room for the next turns
    tokens += [20, 20]
    second = fit(
        branch(*tokens),
        system_tokens=5,
        window_tokens=size,
        reserve_tokens=100,
        begin_at=first.first,
    )
    assert second is not None
    assert second.first == first.first


@given(
    tokens=st.lists(st.integers(0, 400), min_size=1, max_size=30),
    system=st.integers(0, 200),
    window_tokens=st.integers(300, 3000),
    reserve=st.integers(0, 200),
    begin_at=st.none() | st.integers(0, 29),
)
def test_what_is_shown_fits_and_ends_with_the_last_message(
    tokens: list[int], system: int, window_tokens: int, reserve: int, begin_at: int | None
) -> None:
    pieces = branch(*tokens)
    found = fit(
        pieces,
        system_tokens=system,
        window_tokens=window_tokens,
        reserve_tokens=reserve,
        begin_at=begin_at if begin_at is not None and begin_at < len(tokens) else None,
    )
    if found is None:
        assert window(system, reserve, tokens[-1]) > window_tokens
        return
    assert found.prompt_tokens + reserve <= window_tokens
    assert found.prompt_tokens + found.reply_tokens == window_tokens
    assert 0 <= found.first < len(tokens)
