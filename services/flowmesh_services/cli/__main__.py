"""`python -m flowmesh_services.cli`: the command without its script."""

from __future__ import annotations

import sys

from flowmesh_services.cli.app import main

sys.exit(main())
