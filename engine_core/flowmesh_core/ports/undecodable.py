"""Stored or sent bytes that this code must not act on."""

from __future__ import annotations


class Undecodable(Exception):
    """The bytes are not what they should be. A reader parks them; it never skips or guesses."""


class UnknownSchemaVersion(Undecodable):
    """The bytes are of a version or type that only newer code knows."""
