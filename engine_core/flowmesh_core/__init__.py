"""The engine core of flowmesh: domain, ports, application and adapters."""

from __future__ import annotations
