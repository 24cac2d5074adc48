"""What the statistics say of a real workload, against what the test measured itself and what PostgreSQL counted."""

import math
import random
import threading
import time

import psycopg
import pytest

from helpers import TOP, run
from postgres import Postgres

pytestmark = pytest.mark.ours("counts queries by statement")

ORDERS = 200
CLIENTS = 6


@pytest.fixture(scope="module")
def erp():
    """The ERP's schema and some orders, and pg_stat_statements."""
    server = Postgres(databases=["erp"], conf="shared_preload_libraries = 'pg_stat_statements'\n")
    psql = [f"{server.bindir}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", server.host, "-p", str(server.port),
            "-U", "pgsu"]
    run([*psql, "-f", TOP / "test/erp/schema.sql", "erp"], timeout=60)
    run([*psql, "-v", f"orders={ORDERS}", "-v", "company=Acme", "-v", "city=Siegen", "-v", "industry=castings", "-v",
         "seed=1", "-f", TOP / "test/erp/seed.sql", "erp"], timeout=60)
    run([*psql, "-c", "CREATE EXTENSION pg_stat_statements", "erp"])
    yield server
    server.close()


# What users of the ERP ask for, each slowed down by a delay that the test knows.
STATEMENTS = {
    "orders": "SELECT status, pg_sleep(%s) FROM production_orders WHERE production_order_id = %s",
    "operations": "SELECT count(*), pg_sleep(%s) FROM operations WHERE production_order_id = %s",
    "bookings": "INSERT INTO inventory_transactions (production_order_id, kind, item_code, quantity, location,"
                " booked_at, booked_by) SELECT production_order_id, 'receipt', item_code, 1, 'A-01-1', now(),"
                " 'terminal' FROM production_orders, pg_sleep(%s) WHERE production_order_id = %s",
    "resources": "SELECT r.code, pg_sleep(%s) FROM resources r WHERE resource_id = %s",
}


def quote(sql, values):
    for v in values:
        sql = sql.replace("%s", str(v), 1)
    return sql


def work(p, seed, calls, took, errors):
    """A user's day: each statement `calls` times, in any order, by all three ways to ask."""
    rnd = random.Random(seed)
    todo = [(name, way) for name in STATEMENTS for way in ("simple", "extended", "prepared") for _ in range(calls)]
    rnd.shuffle(todo)
    try:
        with psycopg.connect(host=p.host, port=p.port, user="pgsu", dbname="erp", autocommit=True,
                             sslmode="disable") as c:
            for name, way in todo:
                delay = round(rnd.lognormvariate(-2.4, 0.6), 4)     # about 90 ms, 99 % below 0.4 s
                values = (delay, rnd.randint(1, 100))
                began = time.monotonic()
                if way == "simple":
                    c.execute(quote(STATEMENTS[name], values))
                else:
                    c.execute(STATEMENTS[name], values, prepare=way == "prepared")
                took[name].append((delay, time.monotonic() - began))
    except Exception as e:  # noqa: BLE001 - told by the test's thread
        errors.append(e)


@pytest.fixture(scope="module")
def measured(erp):
    """(pooler's statistics, (delay, duration) of each query as its client saw it, what PostgreSQL counted, ...)."""
    from pooler import Pooler
    p = Pooler(erp, pool_mode="transaction", default_pool_size=CLIENTS, auth_type="any",
               databases={"erp": "{pg} user=pgsu"})
    try:
        took, errors = {name: [] for name in STATEMENTS}, []
        with erp.connect("erp") as c:
            c.execute("SELECT pg_stat_statements_reset()")
        users = [threading.Thread(target=work, args=(p, seed, 6, took, errors)) for seed in range(CLIENTS)]
        for u in users:
            u.start()
        for u in users:
            u.join(120)
        assert not errors, errors
        rows = p.console("SHOW QUERIES erp")
        with erp.connect("erp") as c:
            counted = c.execute("SELECT query, calls, rows, total_exec_time FROM pg_stat_statements").fetchall()
        tenants = p.console("SHOW TENANTS")
        stats = p.console("SHOW STATS_TOTALS")
        latency = p.console("SHOW LATENCY erp")
        yield rows, took, counted, tenants, stats, latency
    finally:
        p.close()


TABLES = {"orders": "production_orders", "operations": "operations", "bookings": "inventory_transactions",
          "resources": "resources"}


def row_of(rows, name):
    begin = "INSERT" if name == "bookings" else "SELECT"
    found = [r for r in rows if r["text"].startswith(begin) and "pg_sleep" in r["text"] and
             {"orders": "FROM production_orders WHERE", "operations": "FROM operations", "bookings": "INSERT INTO inv",
              "resources": "FROM resources"}[name] in r["text"]]
    assert len(found) == 1, (name, [r["text"] for r in found])
    return found[0]


def quantile(values, q):
    """The smallest value that a share q of all is not above: as the statistics have it."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_counts_are_exact(measured, name):
    rows, took, _, _, _, _ = measured
    row = row_of(rows, name)
    assert row["calls"] == len(took[name]) == CLIENTS * 3 * 6
    assert row["errors"] == 0
    assert row["rows"] == len(took[name])
    assert row["kind"] == ("INSERT" if name == "bookings" else "SELECT")
    assert TABLES[name] in row["tables"].split(", ")


@pytest.mark.parametrize("name", STATEMENTS)
def test_percentiles_are_what_clients_saw(measured, name):
    """Within 7 % of it: between what it asked PostgreSQL to sleep and what it waited, which on a busy machine holds
    its own turns at the CPU, too."""
    rows, took, _, _, _, _ = measured
    row = row_of(rows, name)
    slept, waited = [d for d, _ in took[name]], [t for _, t in took[name]]
    for q, key in ((0.5, "p50_ms"), (0.95, "p95_ms"), (1, "max_ms")):
        told = float(row[key]) / 1000
        assert 0.93 * quantile(slept, q) < told < 1.07 * quantile(waited, q), (name, key)


@pytest.mark.parametrize("name", STATEMENTS)
def test_postgresql_counted_the_same(measured, name):
    rows, took, counted, _, _, _ = measured
    row = row_of(rows, name)
    part = {"orders": "FROM production_orders WHERE", "operations": "FROM operations", "bookings": "INSERT INTO inv",
            "resources": "FROM resources"}[name]
    begin = "INSERT" if name == "bookings" else "SELECT"
    same = [c for c in counted if part in c[0] and c[0].startswith(begin) and "pg_sleep" in c[0]]
    assert row["calls"] == sum(c[1] for c in same)
    assert row["rows"] == sum(c[2] for c in same)
    assert 0.95 * sum(c[3] for c in same) <= float(row["total_ms"]) <= 1.01 * sum(t for _, t in took[name]) * 1000


def test_all_sums_agree(measured):
    rows, took, _, tenants, stats, latency = measured
    tenant = next(t for t in tenants if t["tenant"] == "erp")
    assert sum(r["calls"] for r in rows) == tenant["calls"]
    assert sum(r["rows"] for r in rows) == tenant["rows"]
    assert sum(float(r["total_ms"]) for r in rows) == pytest.approx(float(tenant["total_ms"]), abs=0.01 * len(rows))
    assert sum(int(r["count"]) for r in latency) == tenant["calls"]
    totals = next(s for s in stats if s["database"] == "erp")
    assert totals["query_count"] == tenant["calls"] + CLIENTS * len(STATEMENTS)     # that many batches held but a Parse


def test_no_literal_is_shown(measured):
    rows, *_ = measured
    for r in rows:
        assert "receipt" not in r["text"] and "terminal" not in r["text"] and "0.0" not in r["text"], r["text"]


def test_what_sets_something_unseen_does_not_reach_the_next_client(pgusher):
    """set_config() and advisory locks have the tag of a SELECT."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.connect("shop") as a, p.connect("shop") as b:
        a.execute("SELECT set_config('my.secret', 'of a', false)")
        assert b.execute("SELECT current_setting('my.secret', true)").fetchone()[0] in (None, "")
        a.execute("SELECT pg_advisory_lock(42)")
        assert b.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()[0] == 0
        a.execute("SELECT 1 AS x INTO TEMP leftover")
        with pytest.raises(psycopg.errors.UndefinedTable):
            b.execute("SELECT * FROM leftover")
        a.execute("DO $$ BEGIN PERFORM set_config('my.secret', 'by do', false); END $$")
        assert b.execute("SELECT current_setting('my.secret', true)").fetchone()[0] in (None, "")


def test_a_setting_of_one_transaction_costs_nothing(pg, pgusher):
    """As row level security does it: gone at the end of the transaction, so there is nothing to clean."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.connect("shop") as c, pg.connect("shop") as direct:
        def last_query_behind(sql):
            pid = c.execute("SELECT pg_backend_pid()").fetchone()[0]
            c.execute(sql)
            return direct.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()[0]
        assert last_query_behind("SELECT set_config('app.tenant', 'acme', true)").startswith("SELECT set_config")
        assert "RESET ALL" in last_query_behind("SELECT set_config('app.tenant', 'acme', false)")
