"""Plans of slow queries: what PostgreSQL explains, and that nobody sees anything of the asking."""

import json

import pytest

from helpers import SLOW, wait_until
from wire import SYNC, bind, execute, parse

pytestmark = pytest.mark.ours("knows no slow queries")

SLEEP = "pg_sleep(0.15)"  # longer than the threshold, which is longer than anything else here takes


@pytest.fixture
def plans(pgusher, pg):
    """A pooler that explains what is slow; p.slow(part): the record of the only query with this in its text."""
    with pg.connect("shop", user="app") as c:
        c.execute("DROP SCHEMA IF EXISTS hidden CASCADE")
        c.execute("DROP TABLE IF EXISTS items, audit")
        c.execute("CREATE TABLE items (id int PRIMARY KEY, name text, price numeric)")
        c.execute("CREATE TABLE audit (what text)")
        c.execute("INSERT INTO items SELECT i, 'item ' || i, i FROM generate_series(1, 1000) i")
        c.execute("ANALYZE items")

    def start(**settings):
        kwargs = {"pool_mode": "transaction", "slow_query_plan": 1, "slow_query_plan_rate": 1000,
                  "slow_query_threshold": "100ms", "slow_query_log": "slow.json", "default_pool_size": 1}
        p = pgusher(**{**kwargs, **settings})

        def records():
            path = p.dir / "slow.json"
            lines = path.read_text().split("\n")[:-1] if path.exists() else []
            return [json.loads(line) for line in lines]

        def slow(part):
            found = wait_until(lambda: [r for r in records() if part in (r["text"] or "")], 10, f"{part} is told")
            assert len(found) == 1
            return found[0]
        p.slow = slow
        return p
    return start


def nodes(plan):
    """All nodes of a plan, the root first."""
    found = [plan]
    for child in plan.get("Plans", []):
        found += nodes(child)
    return found


def plan_of(record):
    assert "plan" in record, record.get("plan_note")
    assert record.get("plan_note") is None
    return nodes(record["plan"][0]["Plan"])


# ---- plans ----

@pytest.mark.parametrize("sql", [
    f"SELECT name, {SLEEP} FROM items WHERE id = 7",
    f"SELECT name, {SLEEP} FROM items WHERE id = 7 AND name <> 'x' /* route='/item' */",
])
def test_a_simple_query(plans, sql):
    p = plans()
    p.rows(sql)
    found = plan_of(p.slow("FROM items"))
    assert found[0]["Node Type"] == "Index Scan" and found[0]["Relation Name"] == "items"
    assert "$" in found[0]["Index Cond"]


def test_a_list_of_any_length(plans):
    p = plans()
    p.rows(f"SELECT {SLEEP} FROM (SELECT 1 FROM items WHERE id IN (1, 2, 3, 4) LIMIT 1) q")
    assert "items" in [n.get("Relation Name") for n in plan_of(p.slow("FROM items"))]


def test_parameters_with_types(plans):
    """The types that Parse told go with the parameters, in whatever order they stand."""
    p = plans()
    with p.wire("shop") as c:
        reply = c.ask(parse("", f"SELECT $2 || name, {SLEEP} FROM items WHERE id = $1 AND price >= $3", [23, 25])
                      + bind("", "", [7, "a", 1]) + execute() + SYNC)
        assert [m.kind for m in reply] == ["1", "2", "D", "C", "Z"]
    record = p.slow("FROM items")
    assert record["parameter_types"][:2] == [23, 25]
    assert plan_of(record)[0]["Node Type"] == "Index Scan"


def test_it_is_a_generic_plan(plans):
    """With its values: no two queries of a digest need have the same plan, and the literals would be in it."""
    p = plans()
    p.rows(f"SELECT name, {SLEEP} FROM items WHERE name = 'item 12' LIMIT 1")
    assert "item 12" not in json.dumps(p.slow("FROM items"))


def test_nothing_is_changed(plans, pg):
    """Neither by statements that would, nor by functions."""
    with pg.connect("shop", user="app") as c:
        c.execute("CREATE OR REPLACE FUNCTION noted(t text) RETURNS text LANGUAGE sql VOLATILE AS"
                  " 'INSERT INTO audit VALUES (t) RETURNING what'")
    p = plans()
    p.rows(f"INSERT INTO audit SELECT 'first' FROM {SLEEP}")
    assert plan_of(p.slow("INSERT INTO audit"))[0]["Operation"] == "Insert"
    p.rows(f"DELETE FROM items WHERE id = 1 AND EXISTS (SELECT FROM {SLEEP})")
    assert plan_of(p.slow("DELETE FROM items"))[0]["Operation"] == "Delete"
    p.rows(f"SELECT noted('second'), {SLEEP}")
    plan_of(p.slow("noted"))
    assert pg.rows("SELECT what FROM audit ORDER BY what", "shop") == [("first",), ("second",)]
    assert pg.value("SELECT count(*) FROM items", "shop") == 999


# ---- none, and why ----

def test_by_default_there_is_none(plans):
    p = plans(slow_query_plan=0)
    p.rows(f"SELECT {SLEEP}")
    record = p.slow("pg_sleep")
    assert "plan" not in record and record.get("plan_note") is None


def test_what_is_nothing_to_explain(plans):
    p = plans()
    p.rows(f"DO $$ BEGIN PERFORM {SLEEP}; END $$")
    assert "nothing that can be explained" in p.slow("DO")["plan_note"]


def test_settings_of_another_session(plans, pg):
    """The table is there for who has that search_path, which is gone when the plan is made."""
    with pg.connect("shop", user="app") as c:
        c.execute("CREATE SCHEMA hidden")
        c.execute("CREATE TABLE hidden.treasure (a int)")
    p = plans()
    with p.connect(autocommit=False) as c:
        c.execute("SET LOCAL search_path = hidden")
        c.execute(f"SELECT *, {SLEEP} FROM treasure RIGHT JOIN (SELECT {SLEEP}) q ON true")
    note = p.slow("treasure")["plan_note"]
    assert note.startswith("with its present settings the server can't prepare it: 42P01")
    assert 'relation "treasure" does not exist' in note


def test_a_table_that_is_locked(plans, pg):
    """lock_timeout: it does not wait long, and nobody waits for it."""
    p = plans()
    with pg.connect("shop", user="app", autocommit=False) as locker:
        with p.connect(autocommit=False) as c:
            c.execute(f"SELECT {SLEEP} FROM items LIMIT 1")
            locker.pgconn.send_query(b"BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
            wait_until(lambda: pg.rows("SELECT 1 FROM pg_locks WHERE NOT granted"), 5, "the lock is waited for")
        while locker.pgconn.get_result() is not None:
            pass
        assert "55P03" in p.slow("FROM items")["plan_note"]
        locker.rollback()
    assert p.value("SELECT count(*) FROM items") == 1000


# ---- whose server it is ----

def test_the_server_is_as_before(plans, pg):
    p = plans()
    with p.connect(client_encoding="LATIN1") as c:
        c.execute(f"SELECT name, {SLEEP} FROM items WHERE id = 7")
        plan_of(p.slow("FROM items"))
        backends = pg.backends("shop", "app")
        assert len(backends) == 1 and backends[0][1] == "idle"
        for name, value in {"statement_timeout": "0", "lock_timeout": "0", "plan_cache_mode": "auto",
                            "client_encoding": "LATIN1", "transaction_read_only": "off"}.items():
            assert c.execute(f"SHOW {name}").fetchone()[0] == value
        assert c.execute("SELECT count(*) FROM pg_prepared_statements WHERE name = 'pgusher_plan'").fetchone()[0] == 0
        assert [b[0] for b in pg.backends("shop", "app")] == [backends[0][0]]


def test_prepared_statements_of_clients_stay(plans, pg):
    p = plans()
    with p.wire("shop") as c:
        text = f"SELECT name, {SLEEP} FROM items WHERE id = $1"
        for number in (7, 8):
            messages = (parse("mine", text) if number == 7 else b"") + bind("", "mine", [number]) + execute() + SYNC
            reply = c.ask(messages)
            assert "E" not in [m.kind for m in reply]
        wait_until(lambda: (p.dir / "slow.json").exists() and (p.dir / "slow.json").read_text().count("\n") == 2, 10,
                   "both are told")
        assert len(pg.backends("shop", "app")) == 1
        assert [m.kind for m in c.ask(bind("", "mine", [9]) + execute() + SYNC)] == ["2", "D", "C", "Z"]


def test_a_statement_of_the_same_name_is_not_touched(plans):
    """In session mode a client may call its own what it likes; it keeps its server, so nobody is asked."""
    p = plans(pool_mode="session")
    with p.connect() as c:
        c.execute("PREPARE pgusher_plan AS SELECT 'mine'")
        c.execute(f"SELECT {SLEEP}")
        assert "no server connection of its pool was idle" in p.slow("pg_sleep")["plan_note"]
        assert c.execute("EXECUTE pgusher_plan").fetchone()[0] == "mine"


def test_no_connection_is_opened_for_it(plans, pg):
    """While the only server is in a transaction there is no plan; when it comes back, there is."""
    p = plans(default_pool_size=5)
    with p.connect(autocommit=False) as c:
        c.execute(f"SELECT {SLEEP} FROM items WHERE id = 1")
        assert len(pg.backends("shop", "app")) == 1
    plan_of(p.slow("FROM items"))
    assert len(pg.backends("shop", "app")) == 1


def test_statistics_do_not_count_it(plans):
    p = plans()
    p.rows(f"SELECT {SLEEP} FROM items WHERE id = 1")
    plan_of(p.slow("FROM items"))
    stats = {r["database"]: r for r in p.console("SHOW STATS")}["shop"]
    assert stats["total_query_count"] == 1 and stats["total_xact_count"] == 1
    assert stats["total_server_assignment_count"] == 1


def test_the_rate(plans):
    p = plans(slow_query_plan_rate=1, workers=1)
    p.rows(f"SELECT {SLEEP} FROM items WHERE id = 1")
    plan_of(p.slow("FROM items"))
    p.rows(f"SELECT {SLEEP} AS second")
    assert p.slow("second")["plan_note"] == "slow_query_plan_rate is reached"


def test_many_clients_meanwhile(plans, pg):
    """A lot of slow queries on few servers: each answer is that of its question, and all are told."""
    p = plans(default_pool_size=2)
    clients = [p.connect() for _ in range(8)]
    try:
        for round_ in range(5):
            for i, c in enumerate(clients):
                c.pgconn.send_query(f"SELECT {SLEEP}, 'r{round_}c{i}' FROM items WHERE id = 1".encode())
            for i, c in enumerate(clients):
                result = c.pgconn.get_result()
                while result is not None:
                    assert result.get_value(0, 1) == f"r{round_}c{i}".encode(), result.error_message
                    result = c.pgconn.get_result()
    finally:
        for c in clients:
            c.close()

    def told():
        lines = [json.loads(line) for line in (p.dir / "slow.json").read_text().split("\n")[:-1]]
        return lines if len(lines) == 40 else None
    records = wait_until(told, 20 * SLOW, "all are told")
    assert all(("plan" in r) != (r.get("plan_note") is not None) for r in records)
    assert [r for r in records if "plan" in r]
    assert len(pg.backends("shop", "app")) <= 2


def test_it_ends_in_the_middle(plans):
    """Ended while plans are asked for: cleanly (the fixture looks), and nothing hangs."""
    p = plans()
    with p.wire("shop") as c:
        c.query("BEGIN")
        c.query(f"SELECT {SLEEP} FROM items WHERE id = 1")
        assert p.quit() == 0
