from __future__ import annotations

import json

import pytest
from hypothesis import given

from flowmesh_core.domain.json_text import JsonError, child_path, json_type, read_json, write_json
from tests.unit.domain.json_values import JSON_VALUES


@given(JSON_VALUES)
def test_every_json_value_survives_the_trip(value: object) -> None:
    back = read_json(write_json(value))

    assert back == value
    assert repr(back) == repr(value)  # 1 and 1.0 and True are equal, and so are orders of keys


@given(JSON_VALUES)
def test_escaped_and_spaced_text_means_the_same(value: object) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=True)

    assert repr(read_json(text.encode())) == repr(value)


def test_integers_of_thousands_of_digits_are_exact() -> None:
    number = 7 * 10**4_000 + 1

    assert read_json(write_json({"n": number})) == {"n": number}


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        (b"", "", "not JSON"),
        (b"{", "", "line 1, column 2"),
        (b"[1,]", "", "not JSON"),
        (b"{'a': 1}", "", "not JSON"),
        (b'"a\nb"', "", "control character"),
        (b"01", "", "extra data"),
        (b"nul", "", "not JSON"),
        (b'{"a": 1} x', "", "extra data"),
        (b"\xff", "", "not UTF-8 at byte 0"),
        (b'"\xed\xa0\x80"', "", "not UTF-8"),
        (b"\xef\xbb\xbf1", "", "expecting value"),
        (b'{"a": {"b": 1, "b": 2}}', "a", 'the key "b" is there twice'),
        (b'{"a": [0, NaN]}', "a[1]", "double"),
        (b'{"a b": [-Infinity]}', '["a b"][0]', "double"),
        (b'[{"x": 1e400}]', "[0].x", "double"),
        (b'{"x": "\\ud800"}', "x", "surrogate"),
        (b'{"\\udc00": 1}', "", "surrogate"),
        (b"1" * 4_301, "", "4,300 digits"),
        (b"[" * 65 + b"]" * 65, "", "deeper than 64"),
        (b"[" * 1_000_000, "", "deeper than 64"),
        (b'{"a":' * 100_000, "", "deeper than 64"),
    ],
)
def test_what_is_not_strict_json_is_named(text: bytes, path: str, words: str) -> None:
    with pytest.raises(JsonError) as caught:
        read_json(text)

    assert caught.value.faults[0].path == path
    assert words.lower() in caught.value.faults[0].message.lower()


def test_all_faults_are_found_at_once() -> None:
    with pytest.raises(JsonError) as caught:
        read_json(b'{"a": NaN, "b": {"x": 1, "x": 1e999}, "c": "\\ud801"}')

    assert {fault.path for fault in caught.value.faults} == {"a", "b", "b.x", "c"}


def test_brackets_in_strings_are_not_nesting() -> None:
    text = "[{" * 500 + '\\"'

    assert read_json(write_json([text])) == [text]


def test_surrogate_pairs_are_characters() -> None:
    assert read_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", [{"a": "\udfff"}]])
def test_what_json_cannot_say_is_not_written(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        write_json(value)


def test_paths_are_readable() -> None:
    assert child_path(child_path(child_path("", "items"), 2), "url") == "items[2].url"
    assert child_path("config", "a b") == 'config["a b"]'


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "a string"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_types_have_names_for_people(value: object, name: str) -> None:
    assert json_type(value) == name
