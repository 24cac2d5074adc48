"""A bad night: what the pooler stands on breaks, and traffic that does not need the broken part goes on."""

import os
import re

import pytest

import pooler
import wire
from helpers import give_away, wait_until

pytestmark = pytest.mark.ours("what it does when things break")


# ---- nobody takes its log ----

class Pipe:
    """A named pipe with a reader that does not read."""

    def __init__(self, path):
        os.mkfifo(path)
        give_away(path)
        self.path, self.fd = path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self):
        """All that is in it."""
        text = b""
        try:
            while part := os.read(self.fd, 65536):
                text += part
        except BlockingIOError:
            pass
        return text.decode()

    def close(self):
        os.close(self.fd)


def traffic(p, lines=1000):
    """As much as leaves so many lines in the log, and fills a pipe."""
    for _ in range(lines // 3):
        assert p.value("SELECT 1") == 1


@pytest.mark.parametrize("where", ["stderr", "logfile"])
def test_a_reader_of_the_log_that_does_not_read(pgusher, where):
    p = pgusher(start=False, logfile=None, workers=1)
    pipe, usual = Pipe(p.dir / "pipe"), p.stderr_path
    try:
        if where == "stderr":
            p.stderr_path = pipe.path
        else:
            p.settings["logfile"] = pipe.path
            p.write()
        p.start()
        p.stderr_path = usual
        traffic(p)
        p.console("RELOAD")
        seen = pipe.read()
        assert seen.count("\n") > 100 and seen.endswith("\n"), "whole lines, as many as there was room for"
        assert p.value("SELECT 1") == 1
        assert "login attempt" in pipe.read(), "it reads again"
    finally:
        pipe.close()
    traffic(p, 30)


def test_a_log_file_that_nobody_reads(pgusher):
    """A named pipe without a reader is no reason to wait, neither at the start nor at a reload."""
    p = pgusher()
    os.mkfifo(p.dir / "pipe")
    give_away(p.dir / "pipe")
    p.change(logfile=p.dir / "pipe")
    assert p.value("SELECT 1") == 1
    p.wait_log("No such device or address")


def limited(p, monkeypatch, ulimit):
    """Start it with less than it would like to have."""
    script = p.dir / "limited"
    script.write_text(f'#!/bin/sh\nulimit {ulimit} && exec "{pooler.EXE}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(pooler, "EXE", str(script))
    p.start()


def test_a_log_file_that_may_not_grow(pgusher, monkeypatch):
    p = pgusher(start=False)
    limited(p, monkeypatch, "-f 16")
    traffic(p)
    assert p.alive


# ---- PostgreSQL refuses more ----

def refuse_more(p):
    """No further server for this role: 53300."""
    with p.pg.connect() as c:
        c.execute("ALTER ROLE app CONNECTION LIMIT 3")


def change_password(p):
    with p.pg.connect() as c:
        c.execute("ALTER ROLE app PASSWORD 'another'")


@pytest.fixture
def usual_role(pg):
    yield
    with pg.connect() as c:
        c.execute("ALTER ROLE app CONNECTION LIMIT -1 PASSWORD 'app-secret'")


@pytest.mark.parametrize("refuse", [refuse_more, change_password])
def test_who_waits_is_served_by_the_servers_there_are(pgusher, usual_role, refuse):
    """As long as some go on, that no other can be opened is nobody's error."""
    p = pgusher(pool_mode="transaction", default_pool_size=5, server_login_retry=0.2, workers=1)
    first = [p.connect("db_scram") for _ in range(3)]
    for c in first:
        c.execute("BEGIN")
    refuse(p)
    late = [p.wire("db_scram") for _ in range(6)]
    for c in late:
        c.send(wire.query("SELECT 1"))
    wait_until(lambda: len(re.findall("server login failed: FATAL", p.log())) >= 4, 10, "it tries again")
    for c in first:
        c.execute("COMMIT")
    for c in late:
        assert wire.kinds(c.until_ready()) == "TDCZ"
        c.close()
    for c in first:
        c.close()


def test_without_a_server_a_refusal_is_told_at_once(pgusher, usual_role):
    p = pgusher(pool_mode="transaction", workers=1)
    with p.wire("db_scram") as c:
        assert c.query("SELECT 1") == [["1"]]
        change_password(p)
        p.console("RECONNECT db_scram")
        wait_until(lambda: not p.servers("db_scram"))
        c.send(wire.query("SELECT 1"))
        assert c.expect("E").code == "28P01"


def test_who_waits_in_vain_is_told_why(pgusher, usual_role):
    p = pgusher(pool_mode="transaction", default_pool_size=5, query_wait_timeout=1, workers=1)
    first = [p.connect() for _ in range(3)]
    for c in first:
        c.execute("BEGIN")
    refuse_more(p)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT 1"))
        told = c.expect("E").fields
        assert told["C"] == "53300" and "New connections" in told["H"], told
    for c in first:
        c.close()
