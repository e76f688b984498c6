"""A client as people call it, and what is known of it."""

import os
from dataclasses import dataclass, field

API = "https://api.example.test"
PYTHON = os.environ.get("MATRIX_PYTHON", "/usr/bin/python3")
# Nothing is said by either side for so long.
IDLE_SECONDS = 75


@dataclass
class Row:
    name: str
    did: str
    host: str
    command: str
    says: str
    version: str = None
    sets: str = ""
    files: dict = field(default_factory=dict)
    read: list = field(default_factory=list)


@dataclass
class NotBrokered:
    """A client whose credential is not swapped: what it is told, by a command inside, or outside where a value is set."""

    name: str
    happens: str
    command: str
    says: str
    inside: bool = True
    files: dict = field(default_factory=dict)
    read: list = field(default_factory=list)
