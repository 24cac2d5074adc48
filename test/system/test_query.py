"""Simple and extended queries, pipelines, transactions in all three pool modes."""

import threading

import psycopg
import pytest

import wire
from helpers import wait_until
from pooler import PEER

MODES = ["session", "transaction", "statement"]


@pytest.fixture(scope="module", params=MODES)
def mode(request, module_pgusher):
    p = module_pgusher(pool_mode=request.param, default_pool_size=4)
    p.mode = request.param
    return p


def test_simple_query(mode):
    with mode.connect() as c:
        assert c.execute("SELECT 1, 'two', NULL").fetchall() == [(1, "two", None)]
        assert c.execute("SELECT tenant FROM who").fetchone() == ("shop",)


def test_every_tenant_gets_its_own_database(mode):
    for tenant in ("shop", "mill", "forge", "t1", "t2", "t3"):
        assert mode.value("SELECT tenant FROM who", tenant) == tenant


def test_psql(mode):
    assert mode.psql("SELECT tenant FROM who").stdout.strip() == "shop"


def test_parameters(mode):
    with mode.connect() as c:
        for value in ("x", "ü" * 1000, "", None, "a\nb'c\\d"):
            assert c.execute("SELECT %s::text", [value]).fetchone() == (value,)
        assert c.execute("SELECT %b::int8", [2**40]).fetchone() == (2**40,)


def test_several_statements_in_one_query(mode):
    with mode.wire("shop") as c:
        got = c.ask(wire.query("SELECT 1; SELECT 2; SELECT 3"))
        assert wire.kinds(got) == "TDCTDCTDCZ"
        assert [m.row for m in got if m.kind == "D"] == [["1"], ["2"], ["3"]]


def test_empty_query(mode):
    with mode.wire("shop") as c:
        assert wire.kinds(c.ask(wire.query(""))) == "IZ"
        assert wire.kinds(c.ask(wire.query("  ;  "))) == "IZ"
        assert wire.kinds(c.ask(wire.query("-- nothing"))) == "IZ"


def test_error_is_postgresqls_own(mode):
    with mode.connect() as c:
        with pytest.raises(psycopg.errors.DivisionByZero):
            c.execute("SELECT 1/0")
        with pytest.raises(psycopg.errors.UndefinedTable):
            c.execute("SELECT * FROM nosuch")
        with pytest.raises(psycopg.errors.SyntaxError):
            c.execute("SELEKT 1")
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_error_fields_arrive_whole(mode):
    with mode.wire("shop") as c:
        got = c.ask(wire.query("DO $$BEGIN RAISE EXCEPTION 'words' USING DETAIL='d', HINT='h', ERRCODE='ZZ123'; END$$"))
        values = got[0].fields
        assert {k: values[k] for k in "SVCMDH"} == {"S": "ERROR", "V": "ERROR", "C": "ZZ123", "M": "words",
                                                     "D": "d", "H": "h"}


def test_transaction(mode):
    if mode.mode == "statement":
        pytest.skip("statement mode has no transactions")
    with mode.connect(autocommit=False) as c:
        c.execute("CREATE TABLE query_tx (x int)")
        c.execute("INSERT INTO query_tx VALUES (1)")
        c.rollback()
        with pytest.raises(psycopg.errors.UndefinedTable):
            c.execute("SELECT * FROM query_tx")
        c.rollback()
        with c.transaction():
            first = c.info.backend_pid, c.execute("SELECT pg_backend_pid()").fetchone()
            assert c.execute("SELECT pg_backend_pid()").fetchone() == first[1]
        c.commit()


def test_failed_transaction_state(mode):
    if mode.mode == "statement":
        pytest.skip("statement mode has no transactions")
    with mode.wire("shop") as c:
        assert c.ask(wire.query("BEGIN"))[-1].body == b"T"
        assert c.ask(wire.query("SELECT 1/0"))[-1].body == b"E"
        got = c.ask(wire.query("SELECT 1"))
        assert got[0].code == "25P02" and got[-1].body == b"E"
        assert c.ask(wire.query("ROLLBACK"))[-1].body == b"I"


def test_statement_mode_refuses_transactions(mode):
    """The client is told so; whatever becomes of the connection, the server is clean for the next one."""
    if mode.mode != "statement":
        pytest.skip("statement mode only")
    with mode.wire("shop") as c:
        c.send(wire.query("BEGIN"))
        got = [c.receive()]
        while got[-1].kind not in "EZ":
            got.append(c.receive())
        assert got[-1].kind == "E", got
        if PEER is None:
            assert got[-1].code in ("0A000", "25001", "08P01")
    assert mode.value("SELECT 1") == 1
    wait_until(lambda: not mode.pg.backends("shop", where="state LIKE 'idle in%'"))


def test_large_result(mode):
    with mode.connect() as c:
        rows = c.execute("SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i").fetchall()
        assert len(rows) == 20000 and rows[-1] == (20000, "x" * 1000)


def test_one_large_value_both_ways(mode):
    big = "y" * (8 << 20)
    with mode.connect() as c:
        assert c.execute("SELECT %s::text", [big]).fetchone()[0] == big
        assert c.execute(f"SELECT '{big}'").fetchone()[0] == big


def test_a_reader_that_takes_its_time(mode):
    with mode.wire("shop") as c:
        c.send(wire.query("SELECT repeat('z', 100000) FROM generate_series(1, 200)"))
        got = 0
        while True:
            m = c.receive()
            if m.kind == "D":
                got += len(m.row[0])
                if m.row[0][0] != "z":
                    pytest.fail("wrong bytes")
            if m.kind == "Z":
                break
        assert got == 20_000_000


def test_notice_arrives(mode):
    with mode.wire("shop") as c:
        got = c.ask(wire.query("DO $$BEGIN RAISE NOTICE 'listen'; END$$"))
        assert wire.kinds(got) == "NCZ" and got[0].fields["M"] == "listen"


def test_function_call(mode):
    oid = mode.pg.value("SELECT oid FROM pg_proc WHERE proname = 'int4pl'")
    with mode.wire("shop") as c:
        got = c.ask(wire.function_call(oid, b"20", b"22"))
        assert wire.kinds(got) == "VZ" and got[0].body[4:] == b"42"


def test_extended_query_by_hand(mode):
    with mode.wire("shop") as c:
        got = c.ask(wire.parse("", "SELECT $1::int + 1"), wire.describe("S"), wire.bind("", "", [41]),
                    wire.describe("P"), wire.execute(), wire.SYNC)
        assert wire.kinds(got) == "1tT2TDCZ" and got[5].row == ["42"]


def test_flush_delivers_without_sync(mode):
    with mode.wire("shop") as c:
        c.send(wire.parse("", "SELECT 7"), wire.bind(), wire.execute(), wire.FLUSH)
        got = [c.receive() for _ in range(4)]
        assert wire.kinds(got) == "12DC"
        c.quiet()
        assert wire.kinds(c.ask(wire.SYNC)) == "Z"


def test_portal_with_row_limit(mode):
    with mode.wire("shop") as c:
        c.send(wire.parse("", "SELECT generate_series(1, 5)"), wire.bind(), wire.execute("", 2), wire.FLUSH)
        assert wire.kinds([c.receive() for _ in range(5)]) == "12DDs"
        c.send(wire.execute("", 2), wire.FLUSH)
        assert wire.kinds([c.receive() for _ in range(3)]) == "DDs"
        assert wire.kinds(c.ask(wire.execute("", 2), wire.SYNC)) == "DCZ"


def test_error_skips_to_sync(mode):
    with mode.wire("shop") as c:
        got = c.ask(wire.parse("", "SELECT 1/0"), wire.bind(), wire.execute(), wire.parse("", "SELECT 1"),
                    wire.bind(), wire.execute(), wire.SYNC, timeout=5)
        assert wire.kinds(got) in ("12EZ", "1EZ") and got[-2].code == "22012"
        assert c.query("SELECT 5") == [["5"]]


def test_several_syncs_in_flight(mode):
    one = (wire.parse("", "SELECT $1::int"), wire.bind("", "", [0]), wire.execute(), wire.SYNC)
    with mode.wire("shop") as c:
        c.send(*one * 20)
        for _ in range(20):
            assert wire.kinds(c.until_ready()) == "12DCZ"


def test_simple_queries_in_flight(mode):
    with mode.wire("shop") as c:
        c.send(*(wire.query(f"SELECT {i}") for i in range(50)))
        for i in range(50):
            got = c.until_ready()
            assert wire.kinds(got) == "TDCZ" and got[1].row == [str(i)]


def test_simple_and_extended_mixed_in_flight(mode):
    with mode.wire("shop") as c:
        c.send(wire.query("SELECT 1"), wire.parse("", "SELECT 2"), wire.bind(), wire.execute(), wire.SYNC,
               wire.query("SELECT 3"))
        assert [wire.kinds(c.until_ready()) for _ in range(3)] == ["TDCZ", "12DCZ", "TDCZ"]


@pytest.mark.skipif(not psycopg.Pipeline.is_supported(), reason="libpq is older than 14")
def test_psycopg_pipeline(mode):
    with mode.connect() as c:
        with c.pipeline():
            cursors = [c.cursor() for _ in range(30)]
            for i, cursor in enumerate(cursors):
                cursor.execute("SELECT %s::int", [i])
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(30))


@pytest.mark.skipif(not psycopg.Pipeline.is_supported(), reason="libpq is older than 14")
def test_psycopg_pipeline_with_error(mode):
    with mode.connect() as c:
        with pytest.raises(psycopg.errors.DivisionByZero):
            with c.pipeline() as p:
                c.execute("SELECT 1")
                p.sync()
                c.execute("SELECT 1/0")
                c.execute("SELECT 2")
                p.sync()
        assert c.execute("SELECT 3").fetchone() == (3,)


def test_many_clients_on_few_servers(mode):
    """Sixteen clients over four servers: everybody gets his own answer (session mode: the others wait)."""
    failures = []

    def work(k):
        try:
            with mode.connect() as c:
                for i in range(20):
                    token = f"{k}-{i}"
                    assert c.execute("SELECT %s", [token]).fetchone() == (token,)
        except Exception as e:  # noqa: BLE001
            failures.append(e)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures
    assert len(mode.servers("shop")) <= 4


def test_disconnect_without_terminate(mode):
    before = len(mode.clients("shop"))
    c = mode.wire("shop")
    c.query("SELECT 1")
    c.reset()
    wait_until(lambda: len(mode.clients("shop")) == before)
    assert mode.value("SELECT 1") == 1
