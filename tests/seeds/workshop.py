# SPDX-License-Identifier: Apache-2.0
"""Compiles C programs against the build's libweir, as users do; or, for a planted bug, against a libweir with one
line of its source changed, so that the row that watches over that line must turn red."""
import functools
import json
import os
import pathlib
import re
import shlex
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKER = ROOT / "tests/unit/kafka/kafka_worker.c"
CLIENT = ROOT / "tests/seeds/client.c"
CORE, DECIDE = "src/kafka/runner/core.c", "src/kafka/runner/decide.c"
SHELL, ASSIGN = "src/kafka/runner/shell.c", "src/kafka/runner/assign.c"
CONSUMER, TRACE, MESSAGE = "src/kafka/consumer.c", "src/kafka/trace.c", "src/kafka/message.c"

# name: (source file, what stands there, what the broken product has instead)
MUTANTS = {
    "commit-failure-stalls": (CORE, "slot->commits_failed++;", "slot->commits_failed++; slot->commit = STEP_IN_FLIGHT; return;"),
    "commit-failure-skips": (CORE, "static void batch_failed(struct weir_runner_core *core, struct slot *slot) {",
                             "static void batch_failed(struct weir_runner_core *core, struct slot *slot) {\n"
                             "    slot->commit_count = 0;\n    slot_drop(core, slot, 0);\n    return;"),
    "one-for-all": (SHELL, "#define WORKERS_DEFAULT 8", "#define WORKERS_DEFAULT 1"),
    "unbounded": (SHELL, "#define WORKERS_DEFAULT 8", "#define WORKERS_DEFAULT 64"),
    "backwards": ("src/kafka/runner/work.c", "handle(runner, run->messages[i])", "handle(runner, run->messages[run->count - 1 - i])"),
    "revoke-does-not-wait": (ASSIGN, "while (!all_released(runner, list)", "while (0 && !all_released(runner, list)"),
    "failure-is-done": (CORE, "    slot->dead = STEP_NONE;\n    slot_touch(core, slot);\n    if (ok) {",
                        "    slot->dead = STEP_NONE;\n    slot_touch(core, slot);\n    if (ok || 1) {"),
    "swallows-first": (CONSUMER, "            handle(handler, message);", "            static int seen;\n            if (seen++) handle(handler, message);"),
    "span-ends-late": (CONSUMER, "    weir_kafka_task_finish(&task);",
                       "    nanosleep(&(struct timespec){0, 400000000}, NULL);\n    weir_kafka_task_finish(&task);"),
    "context-of-another": (MESSAGE, "    message->pub.context = message->context;",
                           "    static struct weir_context *kept;\n    if (!kept) kept = weir_context_ref(message->context);\n"
                           "    message->pub.context = kept;"),
    "wrong-parent": (MESSAGE, "weir_context_span_context(message->context, &message->sender);", "(void)0;"),
    "poison-forever": (CORE, "slot->attempts < core->config.retries_max", "true"),
    "deaf-when-idle": (SHELL, "    if (requests == runner->stops_told) return;", "    if (requests < 1000) return;"),
    "own-decision": (TRACE, ".sample_follows = has_sender,", ".sample_follows = false, .root = true,"),
    "idle-is-down": ("src/kafka/stats.c", "sum->connects - client->connects_up > CONNECTS_DOWN", "true"),
    "health-lies": ("src/kafka/runner/telemetry.c", "    if (connected > 0) return WEIR_HEALTH_PASS;", "    if (connected > -9) return WEIR_HEALTH_PASS;"),
    "never-updated": ("src/kafka/send/topic.c", "weir_kafka_instrument_get(metric), attrs, count);",
                      "weir_kafka_instrument_get(metric == WEIR_KAFKA_SENT ? WEIR_KAFKA_CONSUMED : metric), attrs, count);"),
    "first-wins": ("src/kafka/carrier.c", "carrier->rd->header_get_last(carrier->headers, name,", "rd_kafka_header_get(carrier->headers, 0, name,"),
    "takes-malformed": ("src/sdk/propagation.c", "!get_hex(value + 3, sc.trace_id, 16)", "(get_hex(value + 3, sc.trace_id, 16), 0)"),
    "forgets-state": ("src/sdk/propagation.c", "    if (!ctx->span.trace_state_size) return 1;", "    if (ctx) return 1;"),
    "forgets-caller": ("src/http/server.c", "weir_extract(weir_context_current(), request.get, request.carrier)", "weir_context_ref(NULL)"),
    "tells-health": ("src/http/server.c", "http->is_excluded = weir_http_path_excluded(url.path);", "http->is_excluded = false;"),
    "tells-topic": ("src/kafka/settings.c", "return !weir_kafka_globs_match(settings->topics_exclude, name);", "return true;"),
    "properties-lost": ("src/kafka/client.c", 'either(options->properties_file, "KAFKA_PROPERTIES")', "NULL"),
    "tells-values": ("src/sql/lex.c", "ended = skip_quoted(lexer, '\\'', backslash);\n    return WEIR_SQL_LITERAL;",
                     "ended = skip_quoted(lexer, '\\'', backslash);\n    return WEIR_SQL_WORD;"),
    "sql-goes-well": ("src/pq/outcome.c", "return status == PGRES_FATAL_ERROR ||", "return status == PGRES_NONFATAL_ERROR ||"),
    "samples-all": ("src/sdk/propagation.c", "    weir_text_hex_put(at, &flags, 1);", "    flags = 1;\n    weir_text_hex_put(at, &flags, 1);"),
    "unfiltered": ("src/kafka/settings.c", "return !settings->header || has_header(settings->header, rd, headers);", "return true;"),
    "own-name": ("src/kafka/settings.c", "const char *from = settings->names[operation];", "const char *from = NULL;"),
}


class Broken(Exception):
    """The workshop could not make what a row needs: nothing is known about the product."""


def run(command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if done.returncode:
        raise Broken(f"{command[0]} failed: {done.stderr.strip()[:300]}")


def sanitizers(build):
    """The -fsanitize flags of the build."""
    return re.findall(r"-fsanitize=\S+", (build / "compile_commands.json").read_text())[:1]


def rdkafka_flags():
    root = os.environ.get("WEIR_RDKAFKA_ROOT")
    if root and pathlib.Path(root).exists():
        return [f"-I{root}/include", f"-L{root}/lib", f"-Wl,-rpath,{root}/lib", "-lrdkafka"]
    return ["-lrdkafka"]


@functools.lru_cache(maxsize=None)
def mutated_object(build, name):
    """The object file of the source with the bug planted."""
    source, old, new = MUTANTS[name]
    text = (ROOT / source).read_text()
    pattern = r"\s+".join(map(re.escape, old.split()))  # however it is formatted
    if len(re.findall(pattern, text)) != 1:
        raise Broken(f"planted bug '{name}': its line is no longer in {source}, or not only once")
    folder = build / "seeds"
    folder.mkdir(exist_ok=True)
    changed = folder / f"{name}.c"
    changed.write_text(re.sub(pattern, lambda _: new, text))
    entry = next(e for e in json.loads((build / "compile_commands.json").read_text()) if e["file"].endswith(source))
    command = shlex.split(entry["command"])
    command[command.index("-o") + 1] = str(changed.with_suffix(".o"))
    command[command.index("-c") + 1] = str(changed)
    for flag in ("-MF", "-MQ"):
        del command[command.index(flag):command.index(flag) + 2]
    run([part for part in command if part != "-MD" and not part.startswith("-W")] + ["-w"], cwd=entry["directory"])
    return changed.with_suffix(".o")


@functools.lru_cache(maxsize=None)
def program(build, source, mutant=None, text=None, more=(), folder=None):
    """Compiles `source` (or, with `text`, that; with `more` sources and flags) and gives the program's path."""
    folder = folder or build / "seeds"
    folder.mkdir(exist_ok=True)
    path = folder / (pathlib.Path(source).stem + (f"-{mutant}" if mutant and not more else ""))
    if text is not None:
        source = path.with_suffix(".c")
        source.write_text(text)
    flags = ["-std=gnu17", "-g", "-Wall", "-I", ROOT / "include", *sanitizers(build), "-pthread"]
    if mutant:
        rooms = ("pq/libweir_pq", "sqlite/libweir_sqlite", "sql/libweir_sql", "http/libweir_http", "kafka/libweir_kafka", "kafka/libweir_runner_core", "sdk/libweir_sdk", "outbound/libweir_outbound", "rd/libweir_rd", "otlp/libweir_otlp",
                 "net/libweir_net", "wire/libweir_wire", "base/libweir_base")
        weir = [mutated_object(build, mutant), "-Wl,--start-group", *filter(pathlib.Path.exists, (build / "src" / f"{room}.a" for room in rooms)), "-Wl,--end-group",
                "-lnghttp2", "-lssl", "-lcrypto", "-lz", "-ldeflate", "-lzstd", "-lsnappy", "-llz4", "-lyaml", "-lm", "-ldl"]
    else:
        weir = [f"-L{build}/src/kafka", f"-Wl,-rpath,{build}/src/kafka", "-lweir"]
    run(["cc", *flags, source, *more, *weir, "-Wl,--no-as-needed", *rdkafka_flags(), "-o", path])
    return path


@functools.lru_cache(maxsize=None)
def example(build, mutant=None):
    """The folder with the programs of examples/http-kafka-sql; for a planted bug, its servers built anew."""
    built = build / "examples/http-kafka-sql"
    missing = [name for name in ("shop", "keeper", "order", "audit") if not (built / name).exists()]
    if missing:
        raise Broken(f"{', '.join(missing)} of examples/http-kafka-sql: not built, a library is missing (tools/setup test)")
    if not mutant:
        return built
    folder = build / "seeds" / f"shop-{mutant}"
    folder.mkdir(parents=True, exist_ok=True)
    common = [ROOT / f"examples/common/{name}.c" for name in ("example", "json", "generate")]
    packages = subprocess.run(["pkg-config", "--cflags", "--libs", "libpq", "sqlite3", "libmicrohttpd"], capture_output=True, text=True).stdout.split()
    for name in ("order", "audit"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(built / name)
    for name in ("shop", "keeper"):
        program(build, ROOT / f"examples/http-kafka-sql/{name}.c", mutant, more=(*common, "-Wl,--no-as-needed", *packages), folder=folder)
    return folder
