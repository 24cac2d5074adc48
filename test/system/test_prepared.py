"""Prepared statements over pooled servers: every client has its own names, and PostgreSQL's own errors."""

import psycopg
import pytest

import wire
from helpers import wait_until
from pooler import PEER
from wire import FLUSH, SYNC, bind, close, describe, execute, parse, query

needs = pytest.mark.ours("named statements in transaction mode", since=(1, 21))
better = pytest.mark.ours("drops the client for it")


# ---- the same bytes, straight and through the pooler ----

# Fails when it runs with 0; not when it is planned, which depends on how often a statement was used.
FAILS = "SELECT 1 / ($1::int + (random() * 0)::int)"

# name -> (messages, number of ReadyForQuery to wait for)
SCRIPTS = {
    "use": ([parse("a", "SELECT $1::int + 1"), describe("S", "a"), bind("", "a", [1]), describe("P"), execute(), SYNC], 1),
    "use later": ([parse("a", "SELECT $1::text"), SYNC, bind("", "a", ["x"]), execute(), SYNC,
                   bind("", "a", ["y"]), execute(), SYNC], 3),
    "typed": ([parse("a", "SELECT $1, $2", [23, 25]), describe("S", "a"), bind("", "a", [1, "t"]), execute(), SYNC], 1),
    "unnamed replaced": ([parse("", "SELECT 1"), parse("", "SELECT 2"), bind(), execute(), SYNC], 1),
    "no rows": ([parse("a", "SELECT 1 WHERE false"), bind("", "a"), describe("P"), execute(), SYNC], 1),
    "empty": ([parse("a", ""), describe("S", "a"), bind("", "a"), execute(), SYNC], 1),
    "close unknown": ([close("S", "nosuch"), close("P", "nosuch"), SYNC], 1),
    "close unnamed": ([parse("", "SELECT 1"), close("S", ""), SYNC], 1),
    "portals": ([parse("a", "SELECT $1::int"), bind("p1", "a", [1]), bind("p2", "a", [2]), execute("p2"), execute("p1"),
                 close("P", "p1"), SYNC], 1),
    "flush": ([parse("a", "SELECT 1"), FLUSH, bind("", "a"), FLUSH, execute(), FLUSH, SYNC], 1),
    "error skips": ([parse("a", FAILS), SYNC, bind("", "a", [0]), execute(), parse("b", "SELECT 5"),
                     bind("", "b"), execute(), SYNC, bind("", "a", [1]), execute(), SYNC], 3),
    "two simple behind": ([parse("a", "SELECT 1"), bind("", "a"), execute(), SYNC, query("SELECT 2"), query("SELECT 3")], 3),
    "several in one": ([parse("a", "SELECT 1"), parse("b", "SELECT 2"), bind("", "b"), execute(), bind("", "a"),
                        execute(), describe("S", "a"), SYNC], 1),
}

# What PgBouncer answers otherwise, mostly by ending the client's connection.
STRICT = {
    "close": ([parse("a", "SELECT 1"), close("S", "a"), SYNC, parse("a", "SELECT 2"), bind("", "a"), execute(), SYNC], 2),
    "syntax error": ([parse("a", "SELEKT"), bind("", "a"), execute(), SYNC,
                      parse("a", "SELECT 1"), bind("", "a"), execute(), SYNC], 2),
    "deallocate all": ([parse("a", "SELECT 1"), SYNC, query("DEALLOCATE ALL"), parse("a", "SELECT 2"), bind("", "a"),
                        execute(), SYNC], 3),
    "discard all": ([parse("a", "SELECT 1"), SYNC, query("DISCARD ALL"), parse("a", "SELECT 2"), bind("", "a"),
                     execute(), SYNC], 3),
    "duplicate": ([parse("a", "SELECT 1"), SYNC, parse("a", "SELECT 2"), SYNC, bind("", "a"), execute(), SYNC], 3),
    "duplicate in one pipeline": ([parse("a", "SELECT 1"), parse("a", "SELECT 1"), bind("", "a"), execute(), SYNC,
                                   bind("", "a"), execute(), SYNC], 2),
    "duplicate, work behind": ([parse("a", "SELECT 1"), SYNC, parse("a", "SELECT 2"), bind("", "a"), execute(), SYNC,
                                query("SELECT 3")], 3),
    "unknown bind": ([bind("", "nosuch"), execute(), SYNC, query("SELECT 1")], 2),
    "unknown describe": ([describe("S", "nosuch"), SYNC, query("SELECT 1")], 2),
    "unknown in the middle": ([parse("a", "SELECT 1"), bind("", "a"), execute(), bind("", "nosuch"), execute(),
                               bind("", "a"), execute(), SYNC, bind("", "a"), execute(), SYNC], 2),
    "unknown twice": ([bind("", "x"), SYNC, bind("", "y"), SYNC, query("SELECT 1")], 3),
    "unknown portal": ([execute("nosuch"), SYNC, describe("P", "nosuch"), SYNC, query("SELECT 1")], 3),
    "skipped parse is not known": ([parse("", FAILS), bind("", "", [0]), execute(), parse("b", "SELECT 1"),
                                    SYNC, bind("", "b"), execute(), SYNC], 2),
    "skipped close is not done": ([parse("a", "SELECT 1"), SYNC, bind("", "nosuch"), close("S", "a"), SYNC,
                                   bind("", "a"), execute(), SYNC], 3),
    "closed is unknown": ([parse("a", "SELECT 1"), SYNC, close("S", "a"), SYNC, bind("", "a"), SYNC], 3),
    "failed parse is unknown": ([parse("a", "SELEKT"), SYNC, bind("", "a"), SYNC], 2),
    "unnamed unknown": ([bind(), execute(), SYNC], 1),
    "deallocated is unknown": ([parse("a", "SELECT 1"), SYNC, query("DEALLOCATE ALL"), bind("", "a"), SYNC], 3),
    "discarded is unknown": ([parse("a", "SELECT 1"), SYNC, query("DISCARD ALL"), bind("", "a"), SYNC], 3),
    "deallocated in a pipeline": ([parse("a", "SELECT 1"), SYNC, parse("", "DEALLOCATE ALL"), bind(), execute(), SYNC,
                                   bind("", "a"), SYNC], 3),
}

IN_TRANSACTIONS = {
    "failed block": ([query("BEGIN"), parse("a", "SELECT 1"), SYNC, query("SELECT 1/0"), bind("", "a"), execute(), SYNC,
                      query("ROLLBACK"), bind("", "a"), execute(), SYNC], 6),
    "in a block": ([query("BEGIN"), parse("a", "SELECT 1"), bind("", "a"), execute(), SYNC, query("COMMIT"),
                    bind("", "a"), execute(), SYNC], 4),
    "survives rollback": ([query("BEGIN"), parse("a", "SELECT 1"), SYNC, query("ROLLBACK"), bind("", "a"), execute(),
                           SYNC], 4),
    "portal over two syncs": ([query("BEGIN"), parse("a", "SELECT generate_series(1,4)"), bind("p", "a"),
                               execute("p", 2), SYNC, execute("p", 2), SYNC, query("COMMIT")], 4),
}

IN_TRANSACTIONS_STRICT = {
    "parse in a failed block": ([query("BEGIN"), query("SELECT 1/0"), parse("a", "SELECT 1"), SYNC, query("ROLLBACK"),
                                 bind("", "a"), SYNC], 5),
    "unknown in a block": ([query("BEGIN"), bind("", "nosuch"), SYNC, query("SELECT 1"), query("ROLLBACK"),
                            query("SELECT 1")], 5),
    "duplicate in a block": ([parse("a", "SELECT 1"), SYNC, query("BEGIN"), parse("a", "SELECT 2"), SYNC,
                              query("SELECT 1"), query("ROLLBACK"), query("SELECT 1")], 6),
}


def batches(messages, how):
    """What is written at once: everything, each message, or what the client would then wait for."""
    if how == "whole":
        return [b"".join(messages)]
    if how == "apart":
        return messages
    out = [b""]
    for m in messages:
        out[-1] += m
        if m[:1] in b"QSF":
            out.append(b"")
    return [o for o in out if o]


def transcript(connection, messages, readies, how):
    """The answers, an error as its code and words."""
    got = []
    for part in batches(messages, how):
        connection.send(part)
        if how == "waiting":
            got += connection.until_ready()
    for _ in range(readies - wire.kinds(got).count("Z")):
        got += connection.until_ready()
    connection.quiet(0.01)
    return [("E", m.code, m.fields["M"]) if m.kind == "E" else (m.kind, m.body) for m in got if m.kind not in "NS"]


def straight(pg):
    c = wire.Client.connect(pg.host, pg.port)
    assert c.login("shop", "app").kind == "Z"
    return c


@pytest.fixture(scope="module", params=["session", "transaction", "statement"])
def mode(request, module_pgusher):
    p = module_pgusher(pool_mode=request.param, default_pool_size=2, server_reset_query_always=0)
    p.mode = request.param
    return p


def compare(p, script, how):
    with straight(p.pg) as c:
        wanted = transcript(c, *script, how)
    for _ in range(2):  # the second time, the servers know the statements
        with p.wire("shop") as c:
            assert transcript(c, *script, how) == wanted


def cases(*tables, marks=()):
    return [pytest.param(script, id=name, marks=marks) for table in tables for name, script in table.items()]


@pytest.mark.parametrize("how", ["whole", "apart", "waiting"])
@pytest.mark.parametrize("script", cases(SCRIPTS, marks=needs) + cases(STRICT, marks=better))
def test_like_postgresql(mode, script, how):
    compare(mode, script, how)


@pytest.mark.parametrize("how", ["whole", "apart", "waiting"])
@pytest.mark.parametrize("script", cases(IN_TRANSACTIONS, marks=needs) + cases(IN_TRANSACTIONS_STRICT, marks=better))
def test_like_postgresql_in_transactions(mode, script, how):
    if mode.mode == "statement":
        pytest.skip("statement mode has no transactions")
    compare(mode, script, how)


# ---- names move across servers ----

@needs
def test_statement_follows_its_client(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=3, server_round_robin=1)
    with p.connect() as c:
        blockers = [p.connect(autocommit=False) for _ in range(2)]
        pids = set()
        for i in range(12):
            value, pid = c.execute("SELECT %s::int, pg_backend_pid()", [i], prepare=True).fetchone()
            assert value == i
            pids.add(pid)
            b = blockers[i % 2]
            if i % 3 == 0:
                b.execute("SELECT 1")
            elif i % 3 == 2:
                b.rollback()
        assert len(pids) >= 2, "the test must have moved it"
        for b in blockers:
            b.close()


@needs
def test_two_clients_same_text_share_one_statement(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        for c, name in ((a, "mine"), (b, "yours"), (b, "again")):
            assert wire.kinds(c.ask(parse(name, "SELECT 'same', $1::int"), SYNC)) == "1Z"
        for c, name, value in ((a, "mine", "1"), (b, "yours", "2"), (b, "again", "3"), (a, "mine", "4")):
            got = c.ask(bind("", name, [value]), execute(), SYNC)
            assert got[1].row == ["same", value]
        assert a.query("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT ''same%'") == [["1"]]


@needs
def test_same_name_different_text(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        a.ask(parse("s", "SELECT 'a'"), SYNC)
        b.ask(parse("s", "SELECT 'b'"), SYNC)
        for _ in range(3):
            assert a.ask(bind("", "s"), execute(), SYNC)[1].row == ["a"]
            assert b.ask(bind("", "s"), execute(), SYNC)[1].row == ["b"]


@needs
def test_same_text_different_types(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        a.ask(parse("s", "SELECT pg_typeof($1)", [23]), SYNC)
        b.ask(parse("s", "SELECT pg_typeof($1)", [25]), SYNC)
        assert a.ask(bind("", "s", [1]), execute(), SYNC)[1].row == ["integer"]
        assert b.ask(bind("", "s", [1]), execute(), SYNC)[1].row == ["text"]


@needs
def test_another_clients_deallocate_does_not_matter(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        for c in (a, b):
            c.ask(parse("s", "SELECT 1"), SYNC)
        for command in ("DEALLOCATE ALL", "DISCARD ALL"):
            b.query(command)
            assert a.ask(bind("", "s"), execute(), SYNC)[1].row == ["1"]


@pytest.mark.ours("lends it with the server")
def test_unnamed_statement_is_not_the_next_clients(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        a.ask(parse("", "SELECT 'a secret of a'"), SYNC)
        got = b.ask(bind(), execute(), SYNC)
        assert wire.kinds(got) == "EZ" and got[0].code == "26000"
        # and b's answers leave a what PostgreSQL would: its own unnamed statement, or a clear error
        got = a.ask(bind(), execute(), SYNC)
        assert wire.kinds(got) == "2DCZ" and got[1].row == ["a secret of a"]


@better
def test_deallocate_all_forgets_only_when_it_worked(pgusher):
    """DISCARD ALL fails in a transaction block: the names stay."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as c:
        c.ask(parse("s", "SELECT 1"), SYNC)
        c.query("BEGIN")
        with pytest.raises(wire.ServerError) as e:
            c.query("DISCARD ALL")
        assert e.value.code == "25001"
        c.query("ROLLBACK")
        assert c.ask(bind("", "s"), execute(), SYNC)[1].row == ["1"]


# ---- limits ----

@needs
def test_least_recently_used_leaves_the_server(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1, max_prepared_statements=5)
    with p.wire("shop") as c:
        for i in range(30):
            assert c.ask(parse(f"s{i}", f"SELECT {i}"), bind("", f"s{i}"), execute(), SYNC)[2].row == [str(i)]
        assert int(c.query("SELECT count(*) FROM pg_prepared_statements")[0][0]) <= 5
        for i in (0, 29, 7, 7, 15):
            assert c.ask(bind("", f"s{i}"), execute(), SYNC)[1].row == [str(i)]
        assert int(c.query("SELECT count(*) FROM pg_prepared_statements")[0][0]) <= 5


@needs
def test_pipeline_longer_than_the_limit(pgusher):
    """More statements in one pipeline than a server may hold."""
    p = pgusher(pool_mode="transaction", default_pool_size=1, max_prepared_statements=2)
    with p.wire("shop") as c:
        for _ in range(2):
            c.send(*(parse(f"s{i}", f"SELECT {i}") for i in range(8)),
                   *(bind(f"p{i}", f"s{i}") + execute(f"p{i}") for i in range(8)), SYNC)
            got = c.until_ready()
            assert wire.kinds(got) == "1" * 8 + "2DC" * 8 + "Z"
            assert [m.row[0] for m in got if m.kind == "D"] == [str(i) for i in range(8)]
            c.ask(*(close("S", f"s{i}") for i in range(8)), SYNC)


def test_limit_zero_passes_names_through(pgusher):
    """With max_prepared_statements = 0 a session has its server's own statements."""
    p = pgusher(pool_mode="session", default_pool_size=1, max_prepared_statements=0)
    with p.wire("shop") as c:
        c.ask(parse("mine", "SELECT 'through'"), SYNC)
        assert c.query("SELECT name FROM pg_prepared_statements") == [["mine"]]
        assert c.query("EXECUTE mine") == [["through"]]


# ---- drivers ----

@needs
def test_psycopg_prepares_by_itself(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=2)
    with p.connect(prepare_threshold=2) as a, p.connect(prepare_threshold=2) as b:
        for i in range(20):
            for c in (a, b):
                assert c.execute("SELECT %s::int * 2", [i]).fetchone() == (2 * i,)


@needs
@pytest.mark.skipif(not psycopg.Pipeline.is_supported(), reason="libpq is older than 14")
def test_prepared_pipeline_with_errors(pgusher):
    """What stands behind the error is skipped; what was prepared before it is known afterwards."""
    p = pgusher(pool_mode="transaction", default_pool_size=2)
    with p.connect(prepare_threshold=0) as c:
        for k in range(5):
            with pytest.raises(psycopg.errors.DivisionByZero):
                with c.pipeline():
                    for i in range(5):
                        c.execute("SELECT %s::int", [i])
                    c.execute("SELECT 1 / (%s::int + (random() * 0)::int)", [0])
                    c.execute("SELECT %s::int", [k])
            assert c.execute("SELECT %s::int", [k]).fetchone() == (k,)


# ---- what changes under a statement ----

@pytest.mark.ours("passes the error on")
def test_changed_result_type_is_prepared_again(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=2)
    with p.wire("shop") as c:
        c.query("DROP TABLE IF EXISTS prep_changes")
        c.query("CREATE TABLE prep_changes AS SELECT 1 AS a")
        c.ask(parse("s", "SELECT * FROM prep_changes"), SYNC)
        assert c.ask(bind("", "s"), describe("P"), execute(), SYNC)[2].row == ["1"]
        c.query("ALTER TABLE prep_changes ADD COLUMN b int DEFAULT 2")
        got = c.ask(bind("", "s"), describe("P"), execute(), SYNC)
        assert wire.kinds(got) == "2TDCZ" and got[2].row == ["1", "2"]


def test_changed_result_type_in_a_transaction_is_an_error(pgusher):
    """There it can't be repeated: the client hears PostgreSQL's own 0A000."""
    if PEER and PEER < (1, 21):
        pytest.skip("named statements")
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as c:
        c.query("DROP TABLE IF EXISTS prep_changes")
        c.query("CREATE TABLE prep_changes AS SELECT 1 AS a")
        c.ask(parse("s", "SELECT * FROM prep_changes"), bind("", "s"), execute(), SYNC)
        c.query("BEGIN")
        c.query("ALTER TABLE prep_changes ADD COLUMN b int")
        got = c.ask(bind("", "s"), execute(), SYNC)
        assert got[0].code == "0A000" and got[-1].body == b"E"
        c.query("ROLLBACK")
        assert c.ask(bind("", "s"), execute(), SYNC)[1].row == ["1"]


@needs
def test_server_killed_between_two_uses(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as c:
        c.ask(parse("s", "SELECT 'still'"), bind("", "s"), execute(), SYNC)
        p.pg.terminate("shop")
        wait_until(lambda: not p.servers("shop"))
        assert c.ask(bind("", "s"), execute(), SYNC)[1].row == ["still"]


@needs
def test_counts_of_parse_and_bind(pgusher):
    """Clients' Parses and Binds, and the Parses that servers saw."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        for c in (a, b):
            c.ask(parse("s", "SELECT 'counted'"), SYNC)
            c.ask(bind("", "s"), execute(), SYNC)
        row = next(r for r in p.console("SHOW STATS") if r["database"] == "shop")
        assert (row["total_client_parse_count"], row["total_server_parse_count"], row["total_bind_count"]) == (2, 1, 2)
        if PEER is None:
            # ours: a client's statements are seen on the console
            assert {r["prepared_statements"] for r in p.clients("shop")} == {1}
