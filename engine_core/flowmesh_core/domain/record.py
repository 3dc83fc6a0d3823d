"""Values of which every step makes many: frozen by the type checker, and cheap to make.

A dataclass that is frozen at run time sets each field through `object.__setattr__`,
which made a sixth of an owner's work. See ADR 0020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    from dataclasses import dataclass

    def record(*, frozen: bool, slots: bool):  # noqa: ANN201 - the type checker reads the other branch
        """Make a dataclass that has a hash, as a frozen one has, and is not frozen at run time."""
        return dataclass(slots=slots, unsafe_hash=frozen)
