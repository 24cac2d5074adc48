"""slow_query_log: what its lines say, for which queries there is one, and where they go."""

import json
import os
import re
import signal
import socket
import threading
import time

import psycopg
import pytest

import wire
from helpers import slept, wait_until
from pooler import PASSWORDS

pytestmark = pytest.mark.ours("writes a log of slow queries")

SLOW = 0.3          # seconds that a slow query sleeps
THRESHOLD = 250     # ms
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

KEYS = ["at", "tenant", "user", "database", "client", "application_name", "digest", "kind", "text", "threshold_ms",
        "wait_ms", "first_byte_ms", "total_ms", "blocked_ms", "rows", "bytes_in", "bytes_out", "sqlstate", "trace",
        "parameter_count", "parameter_types"]


def start(pgusher, **settings):
    """A pooler with a slow log of its own: p.slow()."""
    defaults = {"pool_mode": "transaction", "slow_query_threshold": THRESHOLD, "alert_query_time": 0,
                "slow_query_log": "slow.log", "slow_query_log_rate": 0}
    p = pgusher(**{**defaults, **settings})
    p.slow = lambda name="slow.log": lines(p.dir / name)
    return p


def lines(path):
    """Each of which is JSON, and whole."""
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def wait_lines(p, n, name="slow.log"):
    def enough():
        return len(p.slow(name)) >= n
    wait_until(enough, 5, f"{n} lines in {name}")
    assert len(p.slow(name)) == n
    return p.slow(name)


def sleep_query(seconds=SLOW):
    return f"SELECT pg_sleep({seconds})"


def local_port(c):
    with socket.socket(fileno=os.dup(c.pgconn.socket)) as s:
        return s.getsockname()[1]


def main_log_lines(p):
    return [json.loads(line) for line in re.findall(r"LOG slow query: (\{.*\})$", p.log(), re.M)]


# ---- what a line says ----


def test_line_of_a_simple_query(pgusher):
    p = start(pgusher)
    comment = f"/*application='shop',route='%2Forders',traceparent='{TRACE}'*/"
    sql = f"SELECT i, pg_sleep({SLOW}) FROM generate_series(1, 1) i {comment}"
    with p.connect("mill", application_name="nightly") as c:
        port = local_port(c)
        before = time.time()
        began = time.monotonic()
        c.execute(sql)
        took = (time.monotonic() - began) * 1000
    line, = wait_lines(p, 1)
    assert list(line) == KEYS
    assert line["tenant"] == line["database"] == "mill"
    assert line["user"] == "app"
    assert line["client"] == f"127.0.0.1:{port}"
    assert line["application_name"] == "nightly"
    assert line["kind"] == "SELECT"
    assert line["text"] == "SELECT i, pg_sleep($1) FROM generate_series($2, $3) i"
    assert line["threshold_ms"] == THRESHOLD
    assert slept(SLOW * 1000) <= line["total_ms"] <= took
    assert slept(SLOW * 1000) <= line["first_byte_ms"] <= line["total_ms"]
    assert 0 <= line["wait_ms"] <= took
    assert line["blocked_ms"] <= line["total_ms"]
    assert line["rows"] == 1
    assert line["bytes_in"] == len(sql) + 6
    assert line["sqlstate"] is None
    assert line["trace"] == {"traceparent": TRACE, "application": "shop", "route": "/orders"}
    assert line["parameter_count"] == 0 and line["parameter_types"] == []
    at = time.strptime(line["at"], "%Y-%m-%dT%H:%M:%S." + line["at"][-4:-1] + "Z")
    assert before - 1 <= time.mktime(at) - time.timezone <= time.time() + 1
    assert line["digest"] in {r["digest"] for r in p.console("SHOW QUERIES mill")}


def test_bytes_and_rows_are_exact(pgusher):
    """Against what a scripted client has sent and received itself."""
    p = start(pgusher)
    sent = wire.query(f"SELECT i, repeat('x', 100) FROM generate_series(1, 500) i, pg_sleep({SLOW})")
    with p.wire("shop") as c:
        got = c.ask(sent)
    line, = wait_lines(p, 1)
    assert line["rows"] == sum(m.kind == "D" for m in got) == 500
    assert line["bytes_in"] == len(sent)
    assert line["bytes_out"] == sum(5 + len(m.body) for m in got)


def test_line_of_a_prepared_statement(pgusher):
    """Types, but no values, unless they are asked for."""
    p = start(pgusher)
    with p.connect() as c:
        for _ in range(2):
            c.execute("SELECT pg_sleep(%s), %s::text, %s::int4", (SLOW, "secret-value", None), prepare=True)
        p.change(slow_query_log_values=1)
        c.execute("SELECT pg_sleep(%s), %s::text, %s::int4", (SLOW, "secret-value\n\"", None), prepare=True)
    first, second, third = wait_lines(p, 3)
    for line in first, second, third:
        assert line["text"] == "SELECT pg_sleep($1), $2::text, $3::int4"
        assert line["parameter_count"] == 3
        assert len(line["parameter_types"]) == 3 and line["parameter_types"][0] in (0, 701, 1700)
        assert line["digest"] == first["digest"]
    assert "parameters" not in first and "parameters" not in second
    assert third["parameters"][1:] == ["secret-value\n\"", None]


def test_no_literal_is_told(pgusher):
    p = start(pgusher, alert_query_time=THRESHOLD, slow_query_plan=1)
    with p.connect() as c:
        c.execute(f"SELECT 'PLAIN-SECRET' || $$DOLLAR-SECRET$$ || 987654321, E'ESCAPED-SECRET', pg_sleep({SLOW})"
                  " /* COMMENT-SECRET */ -- LINE-SECRET")
        with pytest.raises(psycopg.Error):
            c.execute(f"SELECT pg_sleep({SLOW}), 'PLAIN-SECRET'::int")
        c.execute("SELECT pg_sleep(%s), %s", (SLOW, "PARAMETER-SECRET"))
    wait_until(lambda: len(p.slow()) >= 2)
    told = (p.dir / "slow.log").read_text() + str(p.console("SHOW SLOW_QUERIES")) + str(p.console("SHOW ALERTS"))
    assert "SECRET" not in told and "987654321" not in told
    assert "SECRET" not in "".join(x for x in p.log().splitlines() if "alert" in x or "slow query" in x)


def test_line_of_a_failure(pgusher):
    p = start(pgusher, slow_query_threshold=1000)
    with p.connect(autocommit=False) as c:
        c.execute("SET LOCAL statement_timeout = 1300")
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(60)")
    line, = wait_lines(p, 1)
    assert line["sqlstate"] == "57014"
    assert line["rows"] == 0
    assert line["text"] == "SELECT pg_sleep($1)"


def test_split_of_time(pgusher):
    """The wait for a server is told apart, and does not make a query slow."""
    p = start(pgusher, default_pool_size=1)
    took = []

    def wait_for_it():
        with p.connect() as c:
            began = time.monotonic()
            c.execute("SELECT pg_sleep(0.3) /* second */")
            took.append((time.monotonic() - began) * 1000)

    with p.connect() as c:
        first = threading.Thread(target=lambda: c.execute("SELECT pg_sleep(2)"))
        first.start()
        wait_until(lambda: p.pool("shop")["sv_active"] == 1)
        second = threading.Thread(target=wait_for_it)
        second.start()
        first.join(60)
        second.join(60)
    a, b = sorted(wait_lines(p, 2), key=lambda x: x["wait_ms"])
    assert a["total_ms"] >= slept(2000) and b["total_ms"] >= slept(300)
    assert b["wait_ms"] > 100
    assert b["total_ms"] + b["wait_ms"] <= took[0]


def test_slow_reader_is_blocked_time(pgusher):
    """A client that does not take its result: that is not PostgreSQL's fault, and the line says so."""
    p = start(pgusher)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT repeat('x', 1000) FROM generate_series(1, 60000)"))
        time.sleep(2)       # what this test is about
        c.until_ready()
    line, = wait_lines(p, 1)
    assert line["rows"] == 60000
    assert 200 < line["blocked_ms"] <= line["total_ms"]
    assert line["first_byte_ms"] < line["total_ms"]


# What psql would never send.
NAMES = [b"\xff\xfe\x80", b"a\nb\"c\\d", b"\x01\x1f\x7f", b"\xc2\x9b31m", b"\xed\xa0\x80", "größe €".encode()]


def test_names_may_hold_any_bytes(pgusher):
    p = start(pgusher, slow_query_threshold=1000)
    with p.wire("shop") as c:
        c.ask(wire.query("SET client_encoding = 'LATIN1'"))
        for name in NAMES:
            c.ask(wire.message("Q", b"SET application_name = '" + name + b"'\0"))
            c.ask(wire.message("Q", b'SELECT pg_sleep(1.2) AS "' + name.replace(b'"', b'""') + b'"\0'))
    got = wait_lines(p, len(NAMES))
    raw = (p.dir / "slow.log").read_bytes()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", raw)
    assert got[1]["text"] == 'SELECT pg_sleep($1) AS "a\nb""c\\d"'
    assert got[5]["text"] == 'SELECT pg_sleep($1) AS "größe €"'


def test_plan(pgusher):
    p = start(pgusher, slow_query_plan=1, slow_query_plan_rate=60, slow_query_threshold=1000)
    with p.connect() as c:
        c.execute("CREATE TABLE IF NOT EXISTS slow_plan (id int PRIMARY KEY, name text)")
        try:
            c.execute(f"SELECT count(*) FROM pg_sleep(1.3) LEFT JOIN slow_plan ON id = 42")
            line, = wait_lines(p, 1)
        finally:
            c.execute("DROP TABLE slow_plan")
    assert "plan" in line or line["plan_note"]
    assert "plan_note" not in line, line["plan_note"]
    assert line["plan"][0]["Plan"]["Node Type"] == "Aggregate"
    assert "= 42" not in json.dumps(line["plan"])


def test_without_plans_nothing_is_said_of_them(pgusher):
    p = start(pgusher)
    p.value(sleep_query())
    line, = wait_lines(p, 1)
    assert "plan" not in line and "plan_note" not in line


# ---- which queries ----


def test_thresholds_of_tenants_and_users(pgusher):
    """The user's counts before the database's, and that before the global one."""
    p = start(pgusher, slow_query_threshold=0, databases={"mill": f"{{pg}} slow_query_threshold={THRESHOLD}",
                                                         "forge": "{pg} slow_query_threshold=60000"},
              users={"app2": f"slow_query_threshold={THRESHOLD + 10}"})
    p.value(sleep_query(), "shop")                      # never slow
    p.value(sleep_query(), "mill")
    p.value(sleep_query(), "forge")                     # not yet
    p.value(sleep_query(), "forge", user="app2", password=PASSWORDS["app2"])
    p.value(sleep_query(), "mill", user="app2", password=PASSWORDS["app2"])
    got = [(x["tenant"], x["user"], x["threshold_ms"]) for x in wait_lines(p, 3)]
    assert got == [("mill", "app", THRESHOLD), ("forge", "app2", THRESHOLD + 10), ("mill", "app2", THRESHOLD + 10)]


def test_threshold_is_inclusive_and_can_change(pgusher):
    p = start(pgusher, slow_query_threshold=60000)
    with p.connect() as c:
        c.execute(sleep_query())
        p.console(f"SET slow_query_threshold = {THRESHOLD}")
        c.execute(sleep_query())
        p.console("SET slow_query_threshold = 0")
        c.execute(sleep_query())
    assert len(wait_lines(p, 1)) == 1


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_every_pool_mode(pgusher, mode):
    p = start(pgusher, pool_mode=mode)
    p.value(sleep_query())
    wait_lines(p, 1)


# ---- where ----


def test_the_main_log_by_default(pgusher):
    p = start(pgusher, slow_query_log=None)
    with p.connect(application_name="a" * 40) as c:
        c.execute("SELECT pg_sleep(0.3) " + ", 'x'" * 10)
        c.execute("SELECT pg_sleep(0.3), " + ", ".join(f"{i} AS name_{i}" for i in range(1000)))
    p.wait_log(r"slow query: .*name_0")
    first, second = main_log_lines(p)
    assert list(first) == list(second) == KEYS
    assert len(second["text"]) > 1000
    assert not (p.dir / "slow.log").exists()


def test_off(pgusher):
    p = start(pgusher, slow_query_log="off")
    p.value(sleep_query())
    assert wait_until(lambda: p.console("SHOW SLOW_QUERIES"))
    assert "slow query" not in p.log()
    assert not (p.dir / "off").exists()


def test_the_file_is_for_the_owner_and_group_only(pgusher):
    p = start(pgusher)
    p.value(sleep_query())
    wait_lines(p, 1)
    assert (p.dir / "slow.log").stat().st_mode & 0o777 & ~0o640 == 0


@pytest.mark.parametrize("how", ["SIGHUP", "RELOAD"])
def test_rotation(pgusher, how):
    """As logrotate does it: move, then tell.  No line is lost meanwhile."""
    p = start(pgusher)
    with p.connect() as c:
        c.execute(sleep_query())
        wait_lines(p, 1)
        (p.dir / "slow.log").rename(p.dir / "slow.log.1")
        c.execute(sleep_query())
        wait_lines(p, 2, "slow.log.1")
        if how == "SIGHUP":
            p.signal(signal.SIGHUP)
        else:
            p.console("RELOAD")
        wait_until((p.dir / "slow.log").exists, 5, "the new file")
        c.execute(sleep_query())
        wait_lines(p, 1)
        wait_lines(p, 2, "slow.log.1")


def test_another_file(pgusher):
    p = start(pgusher)
    with p.connect() as c:
        c.execute(sleep_query())
        wait_lines(p, 1)
        p.change(slow_query_log="other.log")
        c.execute(sleep_query())
        wait_lines(p, 1, "other.log")
        p.console("SET slow_query_log = 'third.log'")
        c.execute(sleep_query())
        wait_lines(p, 1, "third.log")
    assert len(p.slow()) == 1


def test_a_full_disk_stops_nothing(pgusher):
    p = start(pgusher, slow_query_log="/dev/full")
    with p.logs(r'ERROR cannot write to slow_query_log "/dev/full": No space left on device; 1 lines lost'):
        for _ in range(3):
            p.value(sleep_query())
    assert len(p.console("SHOW SLOW_QUERIES")) == 3
    assert p.log().count("cannot write") == 1


def test_a_file_that_can_not_be_opened_stops_nothing(pgusher):
    p = start(pgusher, slow_query_log="no/such/folder/slow.log")
    p.wait_log("ERROR cannot open slow_query_log .*No such file or directory")
    p.value(sleep_query())
    assert wait_until(lambda: p.console("SHOW SLOW_QUERIES"))


# ---- not too many ----


def test_rate(pgusher):
    """What is left out is told with its number."""
    p = start(pgusher, slow_query_log_rate=2, default_pool_size=20)
    threads = [threading.Thread(target=p.value, args=(sleep_query(),)) for _ in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)

    def all_told():
        got = p.slow()
        return sum(x.get("left_out", 1) for x in got) == 12 and got
    got = wait_until(all_told, 10, "all 12 are told")
    gaps = [x for x in got if "left_out" in x]
    assert gaps and all(x["reason"] == "slow_query_log_rate" for x in gaps)
    assert len(p.console("SHOW SLOW_QUERIES")) == 12


def test_reset_stats(pgusher):
    p = start(pgusher)
    p.value(sleep_query())
    wait_lines(p, 1)
    p.console("RESET STATS")
    assert p.console("SHOW SLOW_QUERIES") == []
    p.value(sleep_query())
    wait_lines(p, 2)
    assert len(p.console("SHOW SLOW_QUERIES")) == 1


def test_a_client_that_leaves(pgusher):
    """What it had asked for is told under nobody else's name."""
    p = start(pgusher)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT pg_sleep(0.4), 1 AS of_who_left"))
        wait_until(lambda: p.pool("shop")["sv_active"] == 1)
    with p.connect(application_name="stays") as c:
        c.execute(sleep_query())
    line, = wait_until(lambda: [x for x in p.slow() if x["application_name"] == "stays"])
    assert line["text"] == "SELECT pg_sleep($1)"
