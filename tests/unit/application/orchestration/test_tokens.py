from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmesh_core.application.page_token import PageTokens
from flowmesh_core.application.resume_token import ResumeTokens
from flowmesh_core.domain.errors import InvalidRequest, InvalidResumeToken
from flowmesh_core.domain.identity import ExecutionKey

KEY = ExecutionKey("default", "e1")


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_resume_token_is_its_sequence(sequence: int) -> None:
    assert ResumeTokens(KEY).decode(ResumeTokens(KEY).encode(sequence)) == sequence


@given(st.text())
def test_no_text_breaks_a_resume_token(text: str) -> None:
    with pytest.raises(InvalidResumeToken):
        ResumeTokens(KEY).decode(text)


def test_a_resume_token_of_a_later_version_is_told_apart() -> None:
    raw = bytearray(urlsafe_b64decode(ResumeTokens(KEY).encode(1)))
    raw[0] = 2
    with pytest.raises(InvalidResumeToken, match="version"):
        ResumeTokens(KEY).decode(urlsafe_b64encode(raw).decode())


@pytest.mark.parametrize("junk", ["!", "A", "\n", " "])
def test_a_resume_token_has_one_form(junk: str) -> None:
    with pytest.raises(InvalidResumeToken):
        ResumeTokens(KEY).decode(ResumeTokens(KEY).encode(1) + junk)


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_a_page_token_is_its_position(number: int, text: str) -> None:
    tokens = PageTokens("list", "filter")
    encoded = tokens.encode(number, text)
    if len(encoded) <= 1_024:
        assert tokens.decode(encoded, (int, str)) == (number, text)


@given(st.text())
def test_no_text_breaks_a_page_token(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        PageTokens("list").decode(text, (int,))
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


def test_a_page_token_holds_for_its_list_filters_and_shape() -> None:
    token = PageTokens("list", {"a": 1}).encode(1)
    assert PageTokens("list", {"a": 1}).decode(token, (int,)) == (1,)
    for other, shape in (
        (PageTokens("other", {"a": 1}), (int,)),
        (PageTokens("list", {"a": 2}), (int,)),
        (PageTokens("list", {"a": 1}), (str,)),
        (PageTokens("list", {"a": 1}), (int, int)),
    ):
        with pytest.raises(InvalidRequest):
            other.decode(token, shape)


@pytest.mark.parametrize("position", [(2**63, ""), (-(2**63) - 1, ""), (0, "a\0"), (0, "\ud800")])
def test_a_position_that_no_store_can_compare_with_is_refused(position: tuple[int, str]) -> None:
    tokens = PageTokens("list")
    with pytest.raises(InvalidRequest):
        tokens.decode(tokens.encode(*position), (int, str))
