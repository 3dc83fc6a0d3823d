"""Certificates for tests, made when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_MADE = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate for 127.0.0.1 that signs itself."""

    key: Path
    chain: Path


def self_signed(folder: Path) -> Certificate:
    """Make a certificate, or skip the test where nothing can make one."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    made = Certificate(folder / "key.pem", folder / "chain.pem")
    command = ["openssl", *_MADE.split(), "-keyout", str(made.key), "-out", str(made.chain)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return made
