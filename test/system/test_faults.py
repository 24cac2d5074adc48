"""A bad night: what the pooler stands on breaks, and traffic that does not need the broken part goes on."""

import os

import pytest

import pooler
from helpers import give_away

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
