"""Exporters for PgBouncer scrape the console.

Debian's prometheus-pgbouncer-exporter 1.7 was written for PgBouncer 1.7: it ends with a KeyError at every PgBouncer
since 1.8, because columns have got other names.  So the program runs as it is, but with those names brought up to
date; connection, queries, types and the HTTP side are its own.
"""

import importlib.util
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

import wire
from helpers import as_user, free_port, wait_until
from pooler import PEER

debian = [
    pytest.mark.skipif(importlib.util.find_spec("prometheus_pgbouncer_exporter") is None,
                       reason="Debian's package prometheus-pgbouncer-exporter is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("psycopg2") is None, reason="python3-psycopg2 is not installed"),
]

WRAPPER = """
from prometheus_pgbouncer_exporter import cli, collectors
NEW = {"total_requests": "total_query_count", "avg_req": "avg_query_count", "avg_query": "avg_query_time",
       "reserve_pool": %r}
for collector in (collectors.StatsCollector, collectors.PoolsCollector, collectors.DatabasesCollector):
    collector.metrics = {NEW.get(column, column): metric for column, metric in collector.metrics.items()}
cli.main()
"""


@pytest.fixture
def exporter(pgusher):
    p = pgusher(pool_mode="transaction", workers=2)
    for tenant in ("shop", "mill"):
        p.value("SELECT 1", tenant)
    port = free_port()
    wrapper = WRAPPER % ("reserve_pool" if PEER and PEER < (1, 24) else "reserve_pool_size")
    process = subprocess.Popen(
        [sys.executable, "-c", wrapper, "--host", "127.0.0.1", "--port", str(port), "--pgbouncer-host", str(p.dir),
         "--pgbouncer-port", str(p.port), "--pgbouncer-user", "stats"],
        stdin=subprocess.DEVNULL, stdout=open(p.dir / "exporter", "w"), stderr=subprocess.STDOUT, cwd=p.dir,
        env={**p.environment(), "PGSSLMODE": "disable"}, **as_user())
    try:
        yield p, port, process
    finally:
        process.kill()
        process.wait()


def scrape(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError:
        return None


def test_debians_exporter(exporter):
    p, port, process = exporter

    def listening():
        assert process.poll() is None, (p.dir / "exporter").read_text()
        return scrape(port)
    status, text = wait_until(listening, 20)
    assert status == 200, text + (p.dir / "exporter").read_text()[-3000:]
    for tenant in ("shop", "mill"):
        assert re.search(rf'^pgbouncer_requests_total{{database="{tenant}"}} [1-9]', text, re.M), text
        assert f'database="{tenant}"' in text
    assert re.search(r"^pgbouncer_databases 1\d\.0", text, re.M)
    for _ in range(3):
        assert scrape(port)[0] == 200


test_debians_exporter.pytestmark = debian


def test_as_gos_driver_does(pgusher):
    """prometheus-community's exporter uses lib/pq: extra_float_digits at startup, text format, ";" as a ping."""
    p = pgusher(ignore_startup_parameters="extra_float_digits")
    p.value("SELECT 1")
    with p.wire() as c:
        assert c.login("pgbouncer", "stats", client_encoding="UTF8", datestyle="ISO, MDY",
                       extra_float_digits="2").kind == "Z"
        c.send(wire.query(";"))
        assert c.receive().kind in "ICE"
        while c.receive().kind != "Z":
            pass
        for what in ("VERSION", "STATS", "POOLS", "DATABASES", "LISTS", "CONFIG"):
            got = c.ask(wire.query(f"SHOW {what}"))
            assert re.fullmatch("TD+CZ", wire.kinds(got)), what
