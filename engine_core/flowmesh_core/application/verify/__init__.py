"""Judging what is stored, and what clients were told, from outside."""

from __future__ import annotations

from flowmesh_core.application.verify.report import Invariant, Report, Tally
from flowmesh_core.application.verify.verify import Verify, VerifyOptions, VerifyPorts

__all__ = ["Invariant", "Report", "Tally", "Verify", "VerifyOptions", "VerifyPorts"]
