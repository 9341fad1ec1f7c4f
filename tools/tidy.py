#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of the house that no compiler makes; `make tidy` runs them first, `make check` as a unit test.

    tools/tidy.py [--fast]      --fast leaves out the headers-stand-alone compile

Layers (tools/layers.txt), include cycles, headers that compile alone, SPDX lines, file length, line
width, banned functions, words that mark something unfinished, files that no meson.build names.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 800
COLUMNS_MAX = 100
BANNED = re.compile(r"\b(sprintf|strcpy|strcat|strtok|atoi|atol|atof|gets|alloca|vsprintf)\s*\(")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
problems = []


def complain(path, line, text):
    where = path.relative_to(ROOT) if path else "tools/layers.txt"
    problems.append(f"{where}:{line}: {text}")


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def read_layers():
    layers = {}
    for line in (ROOT / "tools/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            room, _, allowed = line.partition(":")
            layers[room.strip()] = set(allowed.split())
    return layers


def sources():
    found = []
    for folder in ("src", "include", "tests", "fuzz", "bench", "examples"):
        found += [p for p in (ROOT / folder).rglob("*") if p.suffix in (".c", ".h")]
    return sorted(found)


def check_layers(path, text, layers):
    parts = path.relative_to(ROOT).parts
    if parts[0] != "src":
        return
    room = parts[1]
    if room not in layers:
        complain(path, 1, f"room '{room}' is not in tools/layers.txt")
        return
    for match in INCLUDE.finditer(text):
        target = match.group(1).split("/")[0]
        if target == "weir" and (room in ("sdk", "sql", "http", "kafka", "plugin", "pq", "sqlite", "doctor", "app") or match.group(1) == "weir/error.h"):
            continue
        if "/" not in match.group(1) and (path.parent / match.group(1)).exists():
            continue
        if target != room and target not in layers[room]:
            complain(path, line_of(text, match.start()), f"{room} may not include {match.group(1)} (tools/layers.txt)")


def check_text(path, text):
    lines = text.count("\n")
    if not text.startswith("/* SPDX-License-Identifier: Apache-2.0 */"):
        complain(path, 1, "first line must be /* SPDX-License-Identifier: Apache-2.0 */")
    if lines > FILE_LINES_MAX and path.relative_to(ROOT).parts[0] == "src":
        complain(path, FILE_LINES_MAX, f"{lines} lines; past {FILE_LINES_MAX} there is more than one concept inside")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > COLUMNS_MAX:
            complain(path, number, f"{len(line)} columns, {COLUMNS_MAX} at most")
    for pattern, what in ((BANNED, "banned function"), (UNFINISHED, "unfinished work on main")):
        for match in pattern.finditer(text):
            complain(path, line_of(text, match.start()), f"{what}: {match.group(0).strip()}")


def check_named(paths):
    """Every source file is named by some meson.build: dead files show."""
    builds = "\n".join(p.read_text() for p in ROOT.rglob("meson.build") if "build/" not in str(p.relative_to(ROOT)))
    for path in paths:
        stem = path.stem.removesuffix("_test")
        if path.suffix == ".c" and path.name not in builds and f"'{stem}'" not in builds and f"'{path.stem}'" not in builds:
            complain(path, 1, "no meson.build names this file")


def check_cycles(texts):
    graph = {}
    for path, text in texts.items():
        if path.suffix == ".h" and path.relative_to(ROOT).parts[0] == "src":
            name = str(path.relative_to(ROOT / "src"))
            graph[name] = {m.group(1) for m in INCLUDE.finditer(text)}
    done, open_ = set(), []

    def visit(name):
        if name in open_:
            cycle = " -> ".join(open_[open_.index(name):] + [name])
            complain(ROOT / "src" / name, 1, f"include cycle: {cycle}")
            return
        if name in done or name not in graph:
            return
        open_.append(name)
        for target in sorted(graph[name]):
            visit(target)
        open_.pop()
        done.add(name)

    for name in sorted(graph):
        visit(name)


def compile_alone(path):
    language = ["-x", "c", "-std=gnu17"]
    if path.relative_to(ROOT).parts[0] == "include":
        language = ["-x", "c", "-std=c99", "-pedantic-errors"]
    flags = [flag for package in ("rdkafka", "libpq")
             for flag in subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True).stdout.split()]
    command = ["cc", *language, "-D_GNU_SOURCE", "-DWEIR_VERSION=\"0\"", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
               f"-I{ROOT}/src", f"-I{ROOT}/include", f"-I{ROOT}/tests/support", *flags, "-fsyntax-only", "-include", str(path), "/dev/null"]
    return path, subprocess.run(command, capture_output=True, text=True)


def check_headers_alone(paths):
    headers = [p for p in paths if p.suffix == ".h" and p.relative_to(ROOT).parts[0] in ("src", "include")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, result in pool.map(compile_alone, headers):
            if result.returncode:
                complain(path, 1, "does not compile alone: " + result.stderr.strip().splitlines()[0])


def main():
    layers = read_layers()
    paths = sources()
    texts = {path: path.read_text() for path in paths}
    for path, text in texts.items():
        check_layers(path, text, layers)
        check_text(path, text)
    check_named(paths)
    check_cycles(texts)
    if "--fast" not in sys.argv[1:]:
        check_headers_alone(paths)
    for problem in problems:
        print(problem)
    print(f"tidy.py: {len(paths)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
