"""The role that takes workflows in."""

from __future__ import annotations
