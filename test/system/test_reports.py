"""What the console tells of queries: each column of QUERIES, TENANTS, SLOW_QUERIES, ALERTS and LATENCY, for what was
really run; of one tenant, of all, over several workers; RESET STATS."""

import datetime
import os
import re
import socket
import threading
import time
from decimal import Decimal

import psycopg
import pytest

import wire
from helpers import SLOW, slept, wait_until

pytestmark = pytest.mark.ours("counts queries by statement")

SLEPT = 1.2     # seconds; what is slow here, and nothing else on a machine that is busy
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def shared(module_pgusher):
    return module_pgusher(pool_mode="transaction", slow_query_threshold="900ms", alert_query_time="950ms", workers=2)


@pytest.fixture
def p(shared):
    """With nothing counted yet."""
    shared.console("RESET STATS")
    return shared


def of_text(rows, text):
    found = [r for r in rows if r["text"] == text]
    assert len(found) == 1, [r["text"] for r in rows]
    return found[0]


def one(rows, **values):
    found = [r for r in rows if all(r[k] == v for k, v in values.items())]
    assert len(found) == 1, (values, rows)
    return found[0]


def local_port(c):
    with socket.socket(fileno=os.dup(c.pgconn.socket)) as s:
        return s.getsockname()[1]


# ---- QUERIES ----

def test_counts_of_a_statement(p):
    with p.connect("shop") as c:
        for n in (2, 3, 5):
            c.execute(f"SELECT g FROM generate_series(1, {n}) g")
        c.execute("select  G -- in other words\nFROM Generate_Series(1, %s) g;", (7,))
    row = of_text(p.console("SHOW QUERIES shop"), "SELECT g FROM generate_series($1, $2) g")
    assert re.fullmatch("[0-9a-f]{16}", row["digest"])
    assert row["kind"] == "SELECT"
    assert (row["calls"], row["rows"], row["errors"], row["slow"], row["cache_hits"]) == (4, 17, 0, 0, 0)
    assert row["tenants"] == 1


def test_times_of_a_statement(p):
    with p.connect("shop") as c:
        began = time.monotonic()
        for seconds in (0.05, 0.05, 0.05, 0.15):
            c.execute(f"SELECT pg_sleep({seconds})")
        took = (time.monotonic() - began) * 1000
    row = of_text(p.console("SHOW QUERIES shop"), "SELECT pg_sleep($1)")
    assert row["calls"] == 4
    assert slept(300) <= row["total_ms"] <= took
    assert abs(row["mean_ms"] - row["total_ms"] / 4) <= Decimal("0.001")
    assert slept(150) <= row["max_ms"] <= took - 150
    # A percentile is the middle of a bucket that is at most 1/16 wide.
    assert 50 * Decimal("0.96") <= row["p50_ms"] <= row["total_ms"] - 200
    assert 150 * Decimal("0.96") <= row["p95_ms"] <= row["max_ms"] * Decimal("1.04")
    assert row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]


def test_tables_are_learned(p):
    with p.connect("shop") as c:
        c.execute("SELECT count(*) FROM pg_class c JOIN pg_catalog.pg_type t ON t.oid = c.reltype")
    wait_until(lambda: p.console("SHOW QUERIES shop")[0]["tables"] == "pg_catalog.pg_type, pg_class")
    assert p.console("SHOW QUERIES")[0]["tables"] == "pg_catalog.pg_type, pg_class"


def test_errors_are_counted(p):
    with p.connect("shop") as c:
        for divisor in (1, 0, 0):
            try:
                c.execute(f"SELECT 1 / {divisor}")
            except psycopg.errors.DivisionByZero:
                pass
    row = of_text(p.console("SHOW QUERIES shop"), "SELECT $1 / $2")
    assert (row["calls"], row["errors"], row["rows"]) == (3, 2, 1)
    assert one(p.console("SHOW TENANTS"), tenant="shop")["errors"] == 2


def test_wait_for_a_server(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.connect("shop") as holder, p.connect("shop") as waiter:
        holder.execute("BEGIN")
        t = threading.Thread(target=waiter.execute, args=("SELECT 'waited'",))
        t.start()
        wait_until(lambda: one(p.console("SHOW POOLS"), database="shop", user="app")["cl_waiting"] == 1)
        time.sleep(0.2)
        began = time.monotonic()
        holder.execute("COMMIT")
        t.join(30 * SLOW)
        took = (time.monotonic() - began) * 1000
    row = of_text(p.console("SHOW QUERIES shop"), "SELECT $1")
    assert 190 <= row["wait_ms"] < 20000 * SLOW
    assert row["max_ms"] <= took        # of a query's time, the wait is told apart


def test_kinds(p):
    statements = {
        "SELECT": "SELECT 1", "INSERT": "INSERT INTO reports_k VALUES (1)", "UPDATE": "UPDATE reports_k SET i = 2",
        "DELETE": "DELETE FROM reports_k", "BEGIN": "BEGIN", "COMMIT": "COMMIT", "ROLLBACK": "ROLLBACK",
        "SET": "SET application_name = 'x'", "SHOW": "SHOW server_version", "DDL": "DROP TABLE reports_k",
    }
    with p.connect("shop") as c:
        c.execute("CREATE TABLE reports_k (i int)")
        for kind, sql in statements.items():
            c.execute(sql)
    rows = p.console("SHOW QUERIES shop")
    for kind in statements:
        assert [r for r in rows if r["kind"] == kind], (kind, rows)


def test_all_tenants_together(p):
    """On two workers: calls of one statement become one row, and the sums of both."""
    tenants = [f"t{i}" for i in range(1, 9)]
    for n, tenant in enumerate(tenants, 1):
        with p.connect(tenant) as c:
            for _ in range(n):
                c.execute("SELECT 'of all', 1")
    row = of_text(p.console("SHOW QUERIES"), "SELECT $1, $2")
    assert (row["calls"], row["rows"], row["tenants"]) == (36, 36, 8)
    each = [of_text(p.console(f"SHOW QUERIES {t}"), "SELECT $1, $2") for t in tenants]
    assert [r["calls"] for r in each] == list(range(1, 9))
    assert sum(r["total_ms"] for r in each) == row["total_ms"]
    assert max(r["max_ms"] for r in each) == row["max_ms"]
    assert {r["digest"] for r in each} == {row["digest"]}


def test_sorted_by_total_time(p):
    with p.connect("shop") as c:
        for _ in range(3):
            c.execute("SELECT 1, 'often'")
        c.execute("SELECT pg_sleep(0.1)")
    totals = [r["total_ms"] for r in p.console("SHOW QUERIES")]
    assert totals == sorted(totals, reverse=True)
    assert p.console("SHOW QUERIES shop")[0]["text"] == "SELECT pg_sleep($1)"


def test_a_hundred_rows_at_most(p):
    with p.connect("shop") as c:
        for i in range(130):
            c.execute(f"SELECT 1 AS column_{i}")
    assert len([r for r in p.console("SHOW QUERIES shop") if r["digest"]]) == 100


def test_what_was_given_up_is_other(pgusher):
    p = pgusher(pool_mode="transaction", query_stats_max_per_tenant=10)
    with p.connect("shop") as c:
        for i in range(40):
            c.execute(f"SELECT 1 AS column_{i}")
    rows = p.console("SHOW QUERIES shop")
    other = rows[-1]
    assert (other["digest"], other["text"], other["kind"], other["tenants"]) == (None, "other", None, None)
    assert 0 < other["calls"] <= 40
    assert sum(r["calls"] for r in rows) == one(p.console("SHOW TENANTS"), tenant="shop")["calls"]


def test_no_literal_is_shown(p):
    with p.connect("shop") as c:
        c.execute("SELECT 'hunter2', $$hunter2$$, E'hunter2', 4711, pg_sleep(1.2)")
        c.execute("SELECT %s, %s, pg_sleep(1.2)", ("hunter2", 4711))
        with pytest.raises(psycopg.Error):
            c.execute("SELECT 'hunter2'::int, pg_sleep(4711)")
    for what in ("QUERIES", "QUERIES shop", "SLOW_QUERIES", "ALERTS"):
        rows = wait_until(lambda: p.console(f"SHOW {what}"))
        assert not [r for r in rows if "hunter2" in str(r["text"]) or "4711" in str(r["text"])], rows


# ---- TENANTS ----

def test_bytes_of_a_tenant_are_exact(p):
    ask = wire.query("SELECT repeat('x', 1000)")
    with p.wire("shop") as c:
        before = one(p.console("SHOW TENANTS"), tenant="shop")
        c.send(ask)
        reply = c.until_ready()
    row = one(p.console("SHOW TENANTS"), tenant="shop")
    assert row["calls"] - before["calls"] == 1
    assert row["bytes_in"] - before["bytes_in"] == len(ask)
    assert row["bytes_out"] - before["bytes_out"] == sum(5 + len(m.body) for m in reply)


def test_tenants_in_use(p):
    with p.connect("shop") as a, p.connect("shop"), p.connect("mill"):
        a.execute("BEGIN")
        a.execute(f"SELECT pg_sleep({SLEPT})")
        a.execute("SELECT 1")
        rows = p.console("SHOW TENANTS")
        shop, mill = one(rows, tenant="shop"), one(rows, tenant="mill")
        assert (shop["clients"], shop["servers"], mill["clients"]) == (2, 1, 1)
        assert (shop["calls"], shop["errors"], shop["slow"], shop["rows"]) == (3, 0, 1, 2)
        assert shop["slow_percent"] == Decimal("33.33")
        assert slept(SLEPT * 1000) <= shop["total_ms"] and abs(shop["mean_ms"] - shop["total_ms"] / 3) <= Decimal("0.001")
        assert shop["p50_ms"] <= shop["p95_ms"] <= shop["p99_ms"]
        assert shop["max_ms"] >= slept(SLEPT * 1000) and shop["wait_ms"] >= 0
        assert mill["calls"] == 0 and mill["mean_ms"] is None and mill["p95_ms"] is None and mill["max_ms"] is None
        assert rows[0]["tenant"] == "shop"
        assert p.console("SHOW TENANTS mill") == [mill]


def test_the_rest_of_many_tenants(pgusher, pg):
    """A hundred have rows of their own; what the others did, and have open, is one more."""
    p = pgusher(pool_mode="transaction", workers=2, auth_type="any", max_client_conn=300,
                databases={"*": "{pg} user=app dbname=shop pool_size=1"})
    kept = []
    try:
        for i in range(110):
            c = p.connect(f"many{i}")
            c.execute("SELECT 1")
            kept.append(c)
        rows = p.console("SHOW TENANTS")
        assert len(rows) == 101 and rows[-1]["tenant"] == "other"
        assert rows[-1]["calls"] == 10 and rows[-1]["clients"] == 10
        assert sum(r["calls"] for r in rows) == 110 and sum(r["clients"] for r in rows) == 110
        assert sum(r["servers"] for r in rows) == sum(r["sv_idle"] + r["sv_used"] for r in p.console("SHOW POOLS"))
    finally:
        for c in kept:
            c.close()


# ---- LATENCY ----

def test_latency(p):
    with p.connect("shop") as c:
        for seconds in (0.01, 0.01, 0.01, 0.2):
            c.execute(f"SELECT pg_sleep({seconds})")
    rows = p.console("SHOW LATENCY shop")
    assert sum(r["count"] for r in rows) == 4
    assert sum(r["percent"] for r in rows) == 100 and rows[-1]["cumulative_percent"] == 100
    seen = 0
    for row, after in zip(rows, rows[1:] + [None]):
        seen += row["count"]
        assert row["from_ms"] < row["to_ms"] and row["count"] > 0
        assert row["percent"] == row["count"] * 25 and row["cumulative_percent"] == seen * 25
        assert after is None or row["to_ms"] <= after["from_ms"]
    assert rows[0]["to_ms"] > 10 and rows[-1]["to_ms"] > 200
    assert sum(r["count"] for r in rows if r["from_ms"] <= 200 < r["to_ms"] or r["from_ms"] > 200) >= 1
    assert p.console("SHOW LATENCY") == rows        # nobody else has asked anything


# ---- SLOW_QUERIES, ALERTS ----

def test_a_slow_query(p):
    began = datetime.datetime.now(datetime.timezone.utc)
    with p.connect("shop", application_name="erp-batch") as c:
        port = local_port(c)
        c.execute(f"SELECT g, pg_sleep({SLEPT}/3) FROM generate_series(1, 3) g"
                  f" /* traceparent='{TRACEPARENT}',application='shop%20floor',route='%2Forders' */")
    rows = wait_until(lambda: p.console("SHOW SLOW_QUERIES"))
    ended = datetime.datetime.now(datetime.timezone.utc)
    assert len(rows) == 1
    row = rows[0]
    at = datetime.datetime.strptime(row["at"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert row["at"].endswith("Z") and began - datetime.timedelta(milliseconds=2) <= at <= ended
    assert (row["tenant"], row["user"], row["database"]) == ("shop", "app", "shop")
    assert row["client"] == f"127.0.0.1:{port}"
    assert row["application_name"] == "erp-batch"
    digest = of_text(p.console("SHOW QUERIES shop"), row["text"])
    assert row["digest"] == digest["digest"] and row["kind"] == "SELECT"
    assert row["text"] == "SELECT g, pg_sleep($1/$2) FROM generate_series($3, $4) g"
    assert slept(SLEPT * 1000) <= row["total_ms"] < 20000 * SLOW and row["total_ms"] == digest["max_ms"]
    assert 0 < row["first_byte_ms"] <= row["total_ms"] and row["wait_ms"] >= 0
    assert row["rows"] == 3 and row["bytes_in"] > 60 and row["bytes_out"] > 60
    assert row["sqlstate"] is None
    assert (row["traceparent"], row["application"], row["route"]) == (TRACEPARENT, "shop floor", "/orders")
    assert row["plan"] is None


def test_a_slow_query_that_failed(p):
    with p.connect("shop") as c:
        c.execute("BEGIN; SET LOCAL statement_timeout = 1200")
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(60)")
    row = wait_until(lambda: p.console("SHOW SLOW_QUERIES shop"))[0]
    assert row["sqlstate"] == "57014" and slept(1200) <= row["total_ms"] < 30000
    assert row["text"] == "SELECT pg_sleep($1)"


def test_a_client_that_does_not_read(p):
    """The time for which the client took nothing is told apart."""
    with p.wire("shop") as c:
        c.send(wire.query("SELECT repeat('x', 1000000) FROM generate_series(1, 30)"))
        time.sleep(2)
        c.until_ready()
    row = wait_until(lambda: p.console("SHOW SLOW_QUERIES shop"))[0]
    assert row["blocked_ms"] >= 300
    assert row["first_byte_ms"] <= row["total_ms"] - row["blocked_ms"] and row["bytes_out"] > 30_000_000 and row["rows"] == 30


def test_slow_queries_latest_first_and_by_tenant(p):
    for tenant, text in (("shop", "'a'"), ("mill", "'b', 1"), ("shop", "'c', 1, 1")):
        p.rows(f"SELECT {text}, pg_sleep({SLEPT})", tenant)
    rows = wait_until(lambda: (r := p.console("SHOW SLOW_QUERIES")) and len(r) == 3 and r)
    assert [r["tenant"] for r in rows] == ["shop", "mill", "shop"]
    assert [r["at"] for r in rows] == sorted((r["at"] for r in rows), reverse=True)
    assert p.console("SHOW SLOW_QUERIES shop") == [rows[0], rows[2]]
    assert p.console("SHOW SLOW_QUERIES mill") == [rows[1]]


def test_alerts(p):
    for _ in range(3):
        p.rows(f"SELECT pg_sleep({SLEPT})", "shop")
    p.rows(f"SELECT 1, pg_sleep({SLEPT})", "mill")
    rows = wait_until(lambda: (r := p.console("SHOW ALERTS")) and len(r) == 2 and r)
    assert [r["tenant"] for r in rows] == ["mill", "shop"] and rows[0]["id"] == rows[1]["id"] + 1
    shop = rows[1]
    assert shop["kind"] == "slow_query" and shop["times"] == 3
    assert slept(SLEPT * 1000) <= shop["value"] < 20000 * SLOW and shop["limit"] == 950
    assert shop["delivery"] == "none"
    assert shop["text"] == "SELECT pg_sleep($1)"
    assert shop["digest"] == of_text(p.console("SHOW QUERIES shop"), shop["text"])["digest"]
    assert "shop" in shop["message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shop["at"])
    assert shop["last_at"] > shop["at"]
    assert p.console("SHOW ALERTS mill") == [rows[0]]


# ---- the commands ----

def test_names_of_tenants(pgusher):
    p = pgusher(databases={'"my shop"': "{pg} dbname=shop"})
    p.rows("SELECT 1", "my shop")
    for name in ('"my shop"', '/* which */ "my shop" -- this one'):
        assert of_text(p.console(f"SHOW QUERIES {name}"), "SELECT $1")["calls"] == 1
    assert p.console('SHOW TENANTS "my shop"')[0]["tenant"] == "my shop"


@pytest.mark.parametrize("what", ["QUERIES", "TENANTS", "SLOW_QUERIES", "ALERTS", "LATENCY", "POOLS"])
def test_an_unknown_tenant(p, what):
    with p.admin() as c:
        with pytest.raises(psycopg.Error, match="no such tenant is in use") as e:
            c.execute(f"SHOW {what} nobody")
        assert e.value.sqlstate == "3D000"
        assert c.execute(f"SHOW {what}").description


def test_a_tenant_that_asked_nothing(p):
    with p.connect("forge"):
        for what in ("QUERIES", "SLOW_QUERIES", "ALERTS", "LATENCY"):
            assert p.console(f"SHOW {what} forge") == []


@pytest.mark.parametrize("command", ["SHOW STATS shop", "SHOW CONFIG x", "SHOW HELP x", "SHOW QUERIES a b",
                                     "PAUSE a b", "RESET", "RESET ALL", "RESET STATS x", "SHOW QUERIES 'a'"])
def test_words_that_are_too_many(p, command):
    with p.admin() as c:
        with pytest.raises(psycopg.Error) as e:
            c.execute(command)
        assert e.value.sqlstate == "08P01"


def test_help_lists_them(p):
    with p.admin() as c:
        notices = []
        c.add_notice_handler(lambda d: notices.append(d.message_detail))
        c.execute("SHOW HELP")
    assert re.search(r"SHOW [A-Z_|]*\bPOOLS\|QUERIES\|TENANTS\|LIMITS\|BANS\|THREATS\|SLOW_QUERIES\|ALERTS\|LATENCY \[<db>\]", notices[0])
    assert "\tRESET STATS" in notices[0]


@pytest.mark.parametrize("binary", [False, True])
def test_over_the_extended_protocol(p, binary):
    p.rows("SELECT 1", "shop")
    wait_until(lambda: p.console("SHOW QUERIES shop")[0]["tables"] is not None)     # the parser has read it
    with p.admin() as c, c.cursor(binary=binary) as cursor:
        cursor.execute("SHOW QUERIES shop", prepare=True)
        names = [d.name for d in cursor.description]
        row = dict(zip(names, cursor.fetchone()))
    told = p.console("SHOW QUERIES shop")[0]
    assert row == told and isinstance(row["total_ms"], Decimal)


def test_reset(p):
    p.rows(f"SELECT pg_sleep({SLEPT})", "shop")
    wait_until(lambda: p.console("SHOW ALERTS"))
    with p.connect("shop") as c, p.admin() as admin:
        c.execute("SELECT 1")
        stats = [r for r in p.console("SHOW STATS_TOTALS") if r["database"] == "shop"]
        assert admin.execute("RESET STATS").statusmessage == "RESET"
        for what in ("QUERIES", "QUERIES shop", "SLOW_QUERIES", "ALERTS", "LATENCY"):
            assert p.console(f"SHOW {what}") == [], what
        shop = one(p.console("SHOW TENANTS"), tenant="shop")
        assert (shop["calls"], shop["bytes_in"], shop["clients"]) == (0, 0, 1)
        assert [r for r in p.console("SHOW STATS_TOTALS") if r["database"] == "shop"] == stats
        c.execute("SELECT 2")
        assert of_text(p.console("SHOW QUERIES shop"), "SELECT $1")["calls"] == 1


def test_reset_is_for_administrators(p):
    p.rows("SELECT 1", "shop")
    with p.admin("stats") as c:
        assert c.execute("SHOW QUERIES shop").fetchall()
        with pytest.raises(psycopg.Error) as e:
            c.execute("RESET STATS")
        assert e.value.sqlstate == "42501"
    assert p.console("SHOW QUERIES shop")


def test_a_query_under_way_during_a_reset(p):
    with p.connect("shop") as c:
        t = threading.Thread(target=c.execute, args=("SELECT pg_sleep(3)",))
        t.start()
        wait_until(lambda: one(p.console("SHOW POOLS shop"), user="app")["sv_active"] == 1)
        p.console("RESET STATS")
        t.join(30 * SLOW)
    row = of_text(p.console("SHOW QUERIES shop"), "SELECT pg_sleep($1)")
    assert row["calls"] == 1 and row["max_ms"] >= slept(3000)


def test_nothing_is_counted_when_it_is_off(pgusher):
    p = pgusher(pool_mode="transaction", query_stats=0, slow_query_threshold="100ms")
    p.rows("SELECT pg_sleep(0.2)", "shop")
    with p.connect("shop"):
        assert p.console("SHOW QUERIES") == [] and p.console("SHOW LATENCY shop") == []
        assert one(p.console("SHOW TENANTS"), tenant="shop")["calls"] == 0


def test_pools_of_one_tenant(p):
    with p.connect("shop") as a, p.connect("mill") as b:
        a.execute("SELECT 1")
        b.execute("SELECT 1")
        rows = p.console("SHOW POOLS")
        assert p.console("SHOW POOLS shop") == [one(rows, database="shop")]
