"""Workflows: built in Python, read from JSON, written as JSON and protobuf."""

from __future__ import annotations
