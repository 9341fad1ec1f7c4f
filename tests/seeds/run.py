# SPDX-License-Identifier: Apache-2.0
"""Runs the acceptance rows and prints the table; see tools/seeds."""
import argparse
import fnmatch
import importlib
import os
import pathlib
import random
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import rows  # noqa: E402
from bed import Bed  # noqa: E402

COLOUR = sys.stdout.isatty()


def paint(text, colour):
    return f"\x1b[{colour}m{text}\x1b[0m" if COLOUR else text


def reason_of(error):
    """One line: what was expected and what came."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else '(no words)'}"


def run_row(row, beds, seed, bug):
    """True and "", or False and why. A bed is shared by the rows that want the same faults."""
    if row.check is None:
        return False, row.reason
    key = (row.bed, bug)
    try:
        if key not in beds:
            beds[key] = Bed(seed, bug=bug, **rows.BEDS[row.bed]).open()
        row.check(beds[key], random.Random(f"{seed}/{row.id}"))
        return True, ""
    except Exception as error:  # noqa: BLE001 - whatever went wrong makes the row red
        if os.environ.get("WEIR_SEEDS_TRACE"):
            traceback.print_exc()
        return False, reason_of(error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--row", default="*")
    parser.add_argument("--bugs", action="store_true")
    parser.add_argument("--green", action="store_true")
    arguments = parser.parse_args()
    for module in sorted(HERE.glob("check_*.py")):
        importlib.import_module(module.stem)
    seed = int(os.environ.get("WEIR_SEED", random.SystemRandom().randrange(2**32)))
    print(f"WEIR_SEED={seed}")
    must_be_green = [line.strip() for line in (HERE / "green.txt").read_text().splitlines() if line.strip() and line[0] != "#"]
    chosen = [row for row in rows.load() if fnmatch.fnmatch(row.id, arguments.row) and (not arguments.green or row.id in must_be_green)]
    if arguments.bugs:
        chosen = [row for row in chosen if row.bugs]
    if not chosen:
        sys.exit(f"seeds: no row is named like '{arguments.row}'")
    beds, wanted, total = {}, 0, 0
    try:
        for row in chosen:
            for bug in (row.bugs if arguments.bugs else [None]):
                green, why = run_row(row, beds, seed, bug)
                total += 1
                wanted += green != arguments.bugs
                name = row.id + (f" [{bug}]" if bug else "")
                state = paint("green", 32) if green else paint("red  ", 31)
                print(f"{name:34} {state} {row.text[:90] if green else why}", flush=True)
    finally:
        for bed in beds.values():
            bed.close()
    print(f"{wanted} of {total}{' planted bugs found' if arguments.bugs else ''}")
    return 0 if wanted == total or (arguments.row == "*" and not arguments.green and not arguments.bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
