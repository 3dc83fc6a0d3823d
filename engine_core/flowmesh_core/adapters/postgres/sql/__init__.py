"""The statements, one per file."""

from __future__ import annotations

from importlib.resources import files


def statement(name: str) -> str:
    """Return the text of `name`.sql."""
    return files(__package__).joinpath(f"{name}.sql").read_text("utf-8")
