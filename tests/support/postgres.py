# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of our own for tests: a cluster in a folder of its own, on a free loopback port."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from weir_server import free_port


def binaries():
    """The folder of initdb and pg_ctl, the newest version's; None if there is none."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return pathlib.Path(initdb).resolve().parent if initdb else None


class Postgres:
    """start() to stop(). PostgreSQL refuses root, so root runs it as the user postgres."""

    def __init__(self, database="shop"):
        self.database, self.port = database, free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-pg-"))
        self.data = self.folder / "data"
        self.as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.as_user:
            shutil.chown(self.folder, "postgres")

    def run(self, program, *arguments):
        command = [*self.as_user, str(binaries() / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{program}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def start(self):
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "-N")
        options = (f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off "
                   "-c shared_buffers=16MB -c log_min_messages=fatal")
        self.run("pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "-t", "60", "-o", options, "start")
        self.run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", self.database)
        return self

    def environment(self):
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": self.database}

    def query(self, sql):
        """The rows, as lists of texts."""
        out = self.run("psql", "-X", "-A", "-t", "-F", "\t", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-d", self.database, "-c", sql)
        return [line.split("\t") for line in out.splitlines()]

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)
