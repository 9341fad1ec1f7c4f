# SPDX-License-Identifier: Apache-2.0
"""Runs the acceptance rows and prints the table; see tools/seeds."""
import argparse
import fnmatch
import importlib
import os
import pathlib
import random
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import rows  # noqa: E402
from bed import Bed, shared_kafka  # noqa: E402
from workshop import Broken  # noqa: E402

COLOUR = sys.stdout.isatty()


def paint(text, colour):
    return f"\x1b[{colour}m{text}\x1b[0m" if COLOUR else text


def reason_of(error):
    """One line: what was expected and what came."""
    text = str(error).strip().splitlines()
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return f"{kind}{text[0][:200] if text else '(no words)'}"


class Beds:
    """The beds in use. One that is broken on purpose is closed before the next is opened."""

    def __init__(self, seed):
        self.seed, self.open_beds = seed, {}

    def get(self, name, bug):
        if bug and (name, bug) not in self.open_beds:
            self.close(lambda key: key[1])
        if (name, bug) not in self.open_beds:
            bed = Bed(self.seed, bug=bug, **rows.BEDS[name])
            try:
                self.open_beds[name, bug] = bed.open()
            except BaseException:
                bed.close()
                raise
        return self.open_beds[name, bug]

    def close(self, which=lambda key: True):
        for key in [key for key in self.open_beds if which(key)]:
            self.open_beds.pop(key).close()


def run_row(row, beds, seed, bug):
    """(state, why): green, red, or broken when the bed itself failed, which says nothing about a planted bug."""
    if row.check is None:
        return "red", row.reason
    try:
        bed = beds.get(row.bed, bug)
    except Exception as error:  # noqa: BLE001 - whatever went wrong makes the row red
        return ("broken" if bug else "red"), f"the bed: {reason_of(error)}"
    try:
        row.check(bed, random.Random(f"{seed}/{row.id}"))
        return "green", ""
    except Exception as error:  # noqa: BLE001
        if os.environ.get("WEIR_SEEDS_TRACE"):
            traceback.print_exc()
        return ("broken" if bug and isinstance(error, Broken) else "red"), reason_of(error)


def work_list(arguments):
    """[(row, bug)], ordered so that each bed is opened once."""
    names = [line.strip() for line in (HERE / "green.txt").read_text().splitlines() if line.strip() and line[0] != "#"]
    must_be_green = {name.split("\t")[0] for name in names}
    chosen = [row for row in rows.load() if fnmatch.fnmatch(row.id, arguments.row) and (not arguments.green or row.id in must_be_green)]
    if not arguments.bugs:
        return [(row, None) for row in chosen]
    return sorted([(row, bug) for row in chosen for bug in row.bugs], key=lambda item: (item[0].bed, item[1], item[0].id))


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
    work = work_list(arguments)
    if not work:
        sys.exit(f"seeds: no row is named like '{arguments.row}'" + (" and has a planted bug" if arguments.bugs else ""))
    wanted, started, beds = 0, time.monotonic(), Beds(seed)
    try:
        for row, bug in work:
            state, why = run_row(row, beds, seed, bug)
            wanted += state == ("red" if arguments.bugs else "green")
            name = row.id + (f" [{bug}]" if bug else "")
            print(f"{name:38} {paint(f'{state:6}', 32 if state == 'green' else 31)} {row.text[:90] if state == 'green' else why}", flush=True)
    finally:
        beds.close()
        shared_kafka.close()
    print(f"{wanted} of {len(work)}{' planted bugs found' if arguments.bugs else ''} ({time.monotonic() - started:.0f} s)")
    return 0 if wanted == len(work) or (arguments.row == "*" and not arguments.green and not arguments.bugs) else 1


if __name__ == "__main__":
    sys.exit(main())
