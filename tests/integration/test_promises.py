# SPDX-License-Identifier: Apache-2.0
"""docs/promises.md: every promise names what shows it, and that exists."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def unkept(page):
    """What is wrong with a page of promises, a line each."""
    wrong = []
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| promise ")]
    for line in rows:
        promise, shown = (cell.strip() for cell in re.fullmatch(r"\| (.*) \| (.*) \|", line).groups())
        names = re.findall(r"`([^`]+)`", shown)
        if not names:
            wrong.append(f"nothing shows: {promise}")
        for name in names:
            path, _, test = name.partition("::")
            if not (ROOT / path).is_file():
                wrong.append(f"{path} does not exist: {promise}")
            elif test and not re.search(rf"^def {test}\(", (ROOT / path).read_text(), re.M):
                wrong.append(f"{path} has no {test}: {promise}")
    return wrong if rows else ["no promises at all"]


def test_every_promise_is_shown():
    assert not unkept((ROOT / "docs/promises.md").read_text())


@pytest.mark.parametrize("row", ["| x | |", "| x | `tests/integration/no_such_file.py` |", f"| x | `tests/integration/{pathlib.Path(__file__).name}::test_that_is_not_there` |"])
def test_a_broken_promise_is_found(row):
    assert unkept(row.replace("| |", "| - |"))
