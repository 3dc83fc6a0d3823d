"""Protobuf messages from and to the domain's own types."""

from __future__ import annotations
