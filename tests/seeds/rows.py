# SPDX-License-Identifier: Apache-2.0
"""The acceptance list: rows.tsv names every row, check_*.py hold the checks, reasons.tsv says why a row
without a check is red."""
import dataclasses
import pathlib
from typing import Callable, Optional

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = {}

# Test beds by name: arguments of bed.Bed. Rows of one bed share its data.
BEDS = {"pipelines": {"pipelines": True}, "clients": {"pipelines": False}}


@dataclasses.dataclass
class Row:
    id: str
    text: str
    reason: str
    check: Optional[Callable] = None
    bed: str = "pipelines"
    bugs: tuple = ()


def row(identifier, bed="pipelines", bugs=()):
    """Registers the check of a row. `bugs` name what breaks a bed (bed.BUGS, workshop.MUTANTS, or a word that the
    check itself obeys); each of them must turn it red."""
    def register(check):
        CHECKS[identifier] = (check, bed, tuple(bugs))
        return check

    return register


def read(name):
    lines = (HERE / name).read_text().splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def load():
    reasons = {key: why for key, why in read("reasons.tsv")}
    result = []
    for identifier, text in read("rows.tsv"):
        entry = Row(identifier, text, reasons.get(identifier, "not built yet"))
        if identifier in CHECKS:
            entry.check, entry.bed, entry.bugs = CHECKS[identifier]
        result.append(entry)
    unknown = set(CHECKS) - {entry.id for entry in result}
    assert not unknown, f"checks for rows that do not exist: {unknown}"
    return result
