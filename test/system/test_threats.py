"""The threat monitor: what is recorded, told and refused, and how much of a corpus of injections it sees.

The rates that doc/threats.md publishes are measured here (test_rates), through the program itself; a scripted server
stands in for PostgreSQL there, which would not survive what it lets pass.
"""

import collections
import re

import pytest

import injections
import wire
from helpers import wait_until

pytestmark = [pytest.mark.ours("PgBouncer looks at no statement")]

USUAL = ["SELECT 1", "SELECT 'a' WHERE 1 = 2", "CREATE TEMP TABLE t (a int) ON COMMIT DROP", "INSERT INTO t VALUES (1)"]


def mode(p, name):
    p.console(f"SET threat_mode = '{name}'")


def threats(p):
    return p.console("SHOW THREATS")


def state(code):
    return lambda reply: [m.code for m in reply if m.kind == "E"] == [code]


refused = state("42501")


def passes(reply):
    return not [m for m in reply if m.kind == "E"]


def record(p, statements, **kwargs):
    """Have p record statements, each once, and go on to protect."""
    mode(p, "record")
    with p.wire(**kwargs) as c:
        for sql in statements:
            c.ask(wire.query(sql))
    mode(p, "protect")


def settings(**kwargs):
    return dict(dict(pool_mode="transaction", threat_mode="off", workers=1), **kwargs)


@pytest.fixture
def p(pgusher):
    return pgusher(**settings())


# ---- modes ----

def test_off_by_default(pgusher):
    p = pgusher()
    assert p.show_config("threat_mode") == "off"
    with p.wire("shop") as c:
        assert passes(c.ask(wire.query("SELECT 1 WHERE 1 = 2 OR 1 = 1")))
    assert threats(p) == []


def test_detect_tells(p):
    mode(p, "record")
    with p.wire("shop") as c:
        c.ask(wire.query("SELECT 1"))
        mode(p, "detect")
        assert passes(c.ask(wire.query("SELECT 2")))
        assert threats(p) == []
        assert passes(c.ask(wire.query("SELECT 1 WHERE 'secret' = '' OR 1=1")))
    [t] = wait_until(lambda: threats(p))
    assert (t["tenant"], t["user"], t["mode"], t["action"]) == ("shop", "app", "detect", "told")
    assert set(t["rules"].split(",")) == {"unknown", "always_true"}
    assert "secret" not in t["text"] and "OR" in t["text"]
    assert re.search(r"alert \d+ \(threat\): tenant shop: .* let through: unknown,always_true", p.log())
    assert [a["kind"] for a in p.console("SHOW ALERTS")] == ["threat"]


def test_protect_refuses(p):
    record(p, ["SELECT 1"], dbname="shop")
    with p.wire("shop") as c:
        assert passes(c.ask(wire.query("SELECT 5")))
        reply = c.ask(wire.query("SELECT 5, 6"))
        assert refused(reply) and reply[-1].kind == "Z"
        assert passes(c.ask(wire.query("SELECT 7")))
    [t] = wait_until(lambda: threats(p))
    assert t["action"] == "refused" and t["rules"] == "unknown"


def test_of_another_role(p):
    """What one role does is not usual for another; for one that was never recorded, nothing is unknown."""
    record(p, ["SELECT 1"], dbname="shop")
    with p.wire("shop", user="app2") as c:
        assert passes(c.ask(wire.query("SELECT 5, 6")))
        assert refused(c.ask(wire.query("SELECT 5 WHERE 1=2 OR 1=1")))


def test_the_refusal_says_why(p):
    """Where nothing was learned, only rules refuse: they are named."""
    def message(sql):
        return next(m for m in c.ask(wire.query(sql)) if m.kind == "E").body.decode()

    mode(p, "protect")
    with p.wire("shop") as c:
        assert "looks like an attack (sleep)" in message("SELECT pg_sleep(0)")
        assert "can't be judged" in message("SELECT '" + "x" * 70000 + "'")
    record(p, ["SELECT 1"], dbname="shop")
    with p.wire("shop") as c:
        assert "does not usually run it" in message("SELECT pg_sleep(0)")


def test_mode_of_a_tenant(pgusher):
    p = pgusher(**settings(databases={"quiet": "{pg} dbname=shop threat_mode=off", "loud": "{pg} dbname=shop"}))
    mode(p, "protect")
    with p.wire("quiet") as quiet, p.wire("loud") as loud:
        assert passes(quiet.ask(wire.query("SELECT 1 WHERE 1 = 2 OR 1 = 1")))
        assert refused(loud.ask(wire.query("SELECT 1 WHERE 1 = 2 OR 1 = 1")))
    assert {t["tenant"] for t in wait_until(lambda: threats(p))} == {"loud"}


def test_full(pgusher):
    p = pgusher(**settings(threat_max=10))
    record(p, ["SELECT " + ", ".join(["1"] * n) for n in range(1, 21)], dbname="shop")
    p.wait_log("which is all that threat_max allows")
    with p.wire("shop") as c:
        assert passes(c.ask(wire.query("SELECT 1, 2, 3")))
        assert refused(c.ask(wire.query("SELECT " + ", ".join(["1"] * 15))))


# ---- nothing slips by ----

@pytest.fixture(scope="module", params=["transaction", "session", "transaction without statements"])
def kind(request, module_pgusher):
    mode_and_more = request.param.split()
    more = {"max_prepared_statements": 0} if len(mode_and_more) > 1 else {}
    p = module_pgusher(**settings(pool_mode=mode_and_more[0], **more))
    record(p, USUAL, dbname="shop")
    return p


BAD = "SELECT 1, 2"


def cycle(sql, name=""):
    return wire.parse(name, sql) + wire.bind("", name) + wire.execute() + wire.SYNC


def test_extended(kind):
    with kind.wire("shop") as c:
        for name in ("", "a"):
            reply = c.ask(cycle(BAD, name))
            assert refused(reply) and [m.kind for m in reply] == ["E", "Z"]
        assert passes(c.ask(cycle("SELECT 9")))
        assert passes(c.ask(cycle("SELECT 9", "a")))
        assert passes(c.ask(wire.bind("", "a") + wire.execute() + wire.SYNC))


def test_extended_in_a_transaction(kind):
    with kind.wire("shop") as c:
        c.ask(wire.query("BEGIN"))
        reply = c.ask(cycle(BAD, "a"))
        assert refused(reply) and reply[-1].body == b"E"
        assert state("25P02")(c.ask(wire.query("SELECT 1")))
        assert passes(c.ask(wire.query("ROLLBACK")))
        assert passes(c.ask(wire.query("SELECT 1")))


def test_simple_in_a_transaction(kind):
    with kind.wire("shop") as c:
        c.ask(wire.query("BEGIN"))
        reply = c.ask(wire.query(BAD))
        assert refused(reply) and reply[-1].body == b"E"
        assert state("25P02")(c.ask(wire.query("SELECT 1")))
        assert c.ask(wire.query("ROLLBACK"))[-1].body == b"I"
        assert passes(c.ask(wire.query("SELECT 1")))


def test_in_pieces(kind):
    with kind.wire("shop") as c:
        c.send(wire.query(BAD), piece=3, pause=0.001)
        assert refused(c.until_ready())
        c.send(cycle(BAD), piece=3, pause=0.001)
        assert refused(c.until_ready())
        c.send(wire.query("SELECT 3"), piece=3, pause=0.001)
        assert passes(c.until_ready())


def test_pipeline(kind):
    """Each cycle for itself, in its place."""
    with kind.wire("shop") as c:
        c.send(wire.query("SELECT 3") + cycle("SELECT 4") + cycle(BAD) + cycle("SELECT 5") + wire.query(BAD) + wire.query("SELECT 6"))
        outcomes = [passes(c.until_ready()) for _ in range(6)]
    assert outcomes == [True, True, False, True, False, True]


def test_within_a_cycle(kind):
    """What stands in front of it in the same cycle is rolled back with it."""
    with kind.wire("shop") as c:
        ask = [wire.parse("", "SELECT 3"), wire.bind(), wire.execute(), wire.parse("", BAD), wire.bind(), wire.execute(), wire.SYNC]
        reply = c.ask(b"".join(ask))
        assert refused(reply) and [m.kind for m in reply if m.kind in "DE"] == ["D", "E"]


def test_long(kind):
    """Nobody reads the end of it."""
    long = "SELECT '" + "x" * 70000 + "'"
    with kind.wire("shop") as c:
        assert refused(c.ask(wire.query(long)))
        assert refused(c.ask(cycle(long)))
        assert passes(c.ask(wire.query("SELECT '" + "x" * 60000 + "' WHERE 1 = 2")))
    wait_until(lambda: any(t["rules"] == "unread" for t in threats(kind)))


def test_prepared_before(kind):
    mode(kind, "off")
    with kind.wire("shop") as c:
        c.ask(wire.parse("good", "SELECT 3") + wire.parse("bad", BAD) + wire.SYNC)
        mode(kind, "protect")
        assert refused(c.ask(wire.bind("", "bad") + wire.execute() + wire.SYNC))
        reply = c.ask(wire.bind("", "good") + wire.execute() + wire.SYNC)
        # Whose names are the server's, nobody knows their texts any more.
        assert passes(reply) or "prepare it again" in str(reply)


@pytest.mark.parametrize("query_stats", [0, 1])
@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
def test_names_in_pieces(pgusher, pool_mode, query_stats):
    """Nothing passes because its names have not come yet, or are too long for anybody to read them."""
    p = pgusher(**settings(pool_mode=pool_mode, query_stats=query_stats))
    record(p, USUAL, dbname="shop")
    mode(p, "off")
    name = "n" * 5000
    with p.wire("shop") as c:
        c.ask(wire.parse(name, BAD) + wire.SYNC)
        mode(p, "protect")
        ask = wire.bind("", name) + wire.execute() + wire.SYNC
        c.send(ask[:3000])
        c.quiet()
        c.send(ask[3000:])
        assert refused(c.until_ready())
    for ask in wire.parse("n" * 140000, BAD), wire.bind("n" * 140000, "x"):
        with p.wire("shop") as c:
            c.send(ask[:20000])
            [m] = c.until_closed()
            assert m.code == "08P01" and "too long" in m.fields["M"]


def answer_cycles(c):
    """A server that knows every name but the one that pgusher has it fail by."""
    answers = {"P": wire.message("1"), "C": wire.message("3"), "B": wire.message("2"), "S": wire.ready(),
               "E": wire.command_complete("SELECT 1"), "Q": wire.command_complete("SELECT 1") + wire.ready()}
    c.accept()
    failed = False
    while (m := c.receive(timeout=600)).kind != "X":
        failed &= m.kind != "S"
        if not failed:
            failed = m.kind == "B" and m.strings[1] == "pgusher_"
            c.send(wire.error() if failed else answers[m.kind])


def run(name):
    return wire.bind("", name) + wire.execute() + wire.SYNC


def test_many_statements_of_a_session(pgusher, fake_server):
    """Those that were closed take no room, and of ten thousand others the one that was not used for longest goes."""
    p = pgusher(pg=None, console={}, databases={"shop": fake_server(answer_cycles).address},
                **settings(pool_mode="session"))
    record(p, ["SELECT 1"], dbname="shop")
    with p.wire("shop") as c:
        c.ask(wire.parse("old", "SELECT 1") + wire.SYNC)
        for i in range(105):
            names = [f"S_{100 * i + j}" for j in range(100)]
            c.ask(b"".join(wire.parse(n, "SELECT 1") + wire.close("S", n) for n in names) + wire.SYNC)
        assert passes(c.ask(run("old")))
        for i in range(105):
            names = [f"T_{100 * i + j}" for j in range(100)]
            assert passes(c.ask(b"".join(wire.parse(n, "SELECT 1") for n in names) + run("old")))
        assert passes(c.ask(run("old"))) and passes(c.ask(run("T_10499")))
        assert refused(c.ask(run("T_0"))) and refused(c.ask(run("S_10499")))


def test_execute_of_sql(kind):
    with kind.wire("shop") as c:
        assert refused(c.ask(wire.query("PREPARE x AS SELECT 1, 2")))
        assert refused(c.ask(wire.query("EXECUTE x")))


def test_function_call(kind):
    """pg_sleep is 2626, now 1299."""
    with kind.wire("shop") as c:
        reply = c.ask(wire.function_call(2626, b"\0" * 8))
        assert refused(reply) and reply[-1].kind == "Z"
        mode(kind, "record")
        assert passes(c.ask(wire.function_call(1299)))
        mode(kind, "protect")
        assert passes(c.ask(wire.function_call(1299)))
    wait_until(lambda: any("sleep" in t["rules"] for t in threats(kind)))


def test_copy(kind):
    """The statement is judged; what comes as data is no text."""
    mode(kind, "record")
    with kind.wire("shop") as c:
        c.ask(wire.query("CREATE TEMP TABLE IF NOT EXISTS u (a text)"))
    mode(kind, "protect")
    with kind.wire("shop") as c:
        assert refused(c.ask(wire.query("COPY (SELECT 1) TO PROGRAM 'true'")))
        assert refused(c.ask(wire.query("COPY u FROM STDIN")))


def test_comments_and_code(kind):
    """What a digest does not see."""
    mode(kind, "record")
    with kind.wire("shop") as c:
        c.ask(wire.query("DO $$ BEGIN PERFORM 1; END $$"))
        mode(kind, "protect")
        assert passes(c.ask(wire.query("DO $$ BEGIN PERFORM 1; END $$")))
        assert refused(c.ask(wire.query("DO $$ BEGIN PERFORM 2; END $$")))
        assert passes(c.ask(wire.query("SELECT 'a' /* ours */ WHERE 1 = 2")))
        assert refused(c.ask(wire.query("SELECT 'a' WHERE 1 = 2 --' AND b = 'c'")))


def test_strings_that_do_not_conform(kind):
    mode(kind, "record")
    with kind.wire("shop") as c:
        c.ask(wire.query("SET standard_conforming_strings = off"))
        mode(kind, "protect")
        assert passes(c.ask(wire.query("SELECT 3")))
        assert refused(c.ask(wire.query(r"SELECT '\' FROM x'")))


# ---- what was there before the mode ----

def cycle_of(sql, name):
    """A statement whose name stays, run through the unnamed portal."""
    return wire.parse(name, sql) + wire.bind("", name) + wire.execute() + wire.SYNC


FAILING = {
    "duplicate": lambda name: wire.parse(name, "SELECT 3") + wire.SYNC,
    "skipped": lambda name: wire.describe("S", "none") + wire.parse(name, "SELECT 3") + wire.SYNC,
}


@pytest.fixture
def before(pgusher):
    """Session pooling, USUAL recorded, and the mode off again."""
    p = pgusher(**settings(pool_mode="session"))
    record(p, USUAL, dbname="shop")
    mode(p, "off")
    return p


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("name, failing", [("x", "duplicate"), ("x", "skipped"), ("", "skipped")])
def test_a_parse_that_fails(before, name, failing, at_once):
    """What it would have prepared was judged; what the name stands for still was not."""
    with before.wire("shop") as c:
        c.ask(wire.parse(name, BAD) + wire.SYNC)
        mode(before, "protect")
        ask = FAILING[failing](name)
        if at_once:
            c.send(ask + run(name))
            first, second = c.until_ready(), c.until_ready()
        else:
            first, second = c.ask(ask), c.ask(run(name))
        assert not passes(first) and not refused(first)
        assert refused(second)


def test_a_parse_that_is_failed_here(pgusher):
    """Of SET pgusher.tenant in a transaction nothing reaches the server, where the name stands for what it did."""
    p = pgusher(**settings(pool_mode="session"))
    with p.wire("shop") as c:
        c.ask(wire.parse("x", "SELECT 1 WHERE 1 = 2 OR 1 = 1") + wire.SYNC)
        mode(p, "protect")
        assert passes(c.ask(wire.query("BEGIN")))
        assert state("25001")(c.ask(wire.parse("x", "SET pgusher.tenant = 'mill'") + wire.SYNC))
        c.ask(wire.query("ROLLBACK"))
        assert refused(c.ask(run("x")))


def test_a_parse_that_fails_behind_one_that_did_not(before):
    """What the name stood for was judged, and still is."""
    mode(before, "protect")
    with before.wire("shop") as c:
        assert passes(c.ask(wire.parse("x", "SELECT 3") + wire.SYNC))
        c.send(FAILING["duplicate"]("x") + run("x"))
        assert state("42P05")(c.until_ready())
        assert passes(c.until_ready()) and passes(c.ask(run("x")))


def test_long_names_that_are_one(before):
    """Of names PostgreSQL knows 63 bytes."""
    mode(before, "detect")
    name = "n" * 63
    with before.wire("shop") as c:
        c.ask(wire.parse(name + "x", "SELECT 3") + wire.SYNC)
        assert passes(c.ask(wire.close("S", name + "y") + wire.parse(name + "y", BAD) + wire.SYNC))
        mode(before, "protect")
        assert refused(c.ask(run(name + "x")))


def test_prepared_anew_while_off(before):
    mode(before, "protect")
    with before.wire("shop") as c:
        assert passes(c.ask(wire.parse("x", "SELECT 3") + wire.SYNC))
        mode(before, "off")
        assert passes(c.ask(wire.close("S", "x") + wire.parse("x", BAD) + wire.SYNC))
        mode(before, "protect")
        assert refused(c.ask(run("x")))


@pytest.mark.parametrize("loose", ["off", "detect"])
def test_prepared_anew_by_sql(before, loose):
    mode(before, "protect")
    with before.wire("shop") as c:
        assert passes(c.ask(wire.parse("x", "SELECT 3") + wire.SYNC))
        mode(before, loose)
        assert passes(c.ask(wire.query("DEALLOCATE x; PREPARE x AS " + BAD)))
        mode(before, "protect")
        assert refused(c.ask(run("x")))


@pytest.mark.parametrize("ask", [run("x"), wire.query("EXECUTE x")])
def test_prepared_anew_meanwhile(pgusher, ask):
    """What is under way when the mode comes gives the name to another statement."""
    p = pgusher(**settings(pool_mode="session"))
    record(p, [*USUAL, "EXECUTE x"], dbname="shop")
    with p.wire("shop") as c:
        assert passes(c.ask(wire.parse("x", "SELECT 3") + wire.SYNC))
        mode(p, "off")
        c.send(wire.query("SELECT pg_sleep(1)") + wire.query("DEALLOCATE x; PREPARE x AS " + BAD))
        mode(p, "protect")
        c.send(ask)
        assert passes(c.until_ready()) and passes(c.until_ready())
        assert refused(c.until_ready())
        assert refused(c.ask(ask))


def test_prepared_by_sql(pgusher):
    """EXECUTE is usual here, but not of what was prepared while nobody looked."""
    p = pgusher(**settings(pool_mode="session"))
    record(p, ["PREPARE x AS SELECT 1", "EXECUTE x", "DEALLOCATE ALL"], dbname="shop")
    mode(p, "off")
    with p.wire("shop") as c:
        c.ask(wire.query("PREPARE x AS " + BAD))
        mode(p, "protect")
        assert refused(c.ask(wire.query("EXECUTE x")))
        assert refused(c.ask(cycle("EXECUTE x")))
        for sql in "DEALLOCATE ALL", "PREPARE x AS SELECT 1", "EXECUTE x":
            assert passes(c.ask(wire.query(sql)))


@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
def test_execute_within_others(pgusher, pool_mode):
    """However it is called; other texts pass."""
    texts = ["EXECUTE x; EXECUTE x", "EXPLAIN ANALYZE EXECUTE x", "CREATE TEMP TABLE e AS execute x",
             "DO $$ BEGIN EXECUTE 'EXECUTE x'; END $$"]
    p = pgusher(**settings(pool_mode=pool_mode))
    record(p, [*texts, "SELECT 1; SELECT 1", "EXPLAIN SELECT 1"], dbname="shop")
    with p.wire("shop") as c:
        assert passes(c.ask(wire.parse("e", texts[1]) + wire.SYNC)) or pool_mode == "session"
        mode(p, "off")
        assert passes(c.ask(wire.query("BEGIN")))
        assert passes(c.ask(wire.query("PREPARE x AS " + BAD)))
        mode(p, "protect")
        for ask in [wire.query("SELECT 1; SELECT 1"), cycle("EXPLAIN SELECT 1")]:
            assert passes(c.ask(ask))
        for ask in [wire.query(texts[0]), *(cycle(text) for text in texts[1:]), run("e")]:
            c.ask(wire.query("SAVEPOINT a"))
            assert refused(c.ask(ask)), ask
            assert passes(c.ask(wire.query("ROLLBACK TO a")))


def hold(c, sql):
    """By the extended protocol, which leaves the unnamed statement alone."""
    c.ask(cycle_of(sql, sql))


@pytest.mark.parametrize("name", ["x", ""])
def test_of_another_server(pgusher, name):
    """Where clients share servers and the names on them, a name is what it is on the server where it was prepared."""
    p = pgusher(**settings(max_prepared_statements=0))
    record(p, USUAL, dbname="shop")
    mode(p, "off")
    with p.wire("shop") as first, p.wire("shop") as second, p.wire("shop") as third:
        first.ask(wire.parse(name, BAD) + wire.SYNC)
        hold(first, "BEGIN")
        mode(p, "protect")
        assert passes(second.ask(wire.parse(name, "SELECT 3") + wire.SYNC))
        assert passes(second.ask(run(name)))
        hold(third, "BEGIN")
        hold(first, "COMMIT")
        assert refused(second.ask(run(name)))


@pytest.mark.parametrize("name", ["x", ""])
def test_of_another_role_on_the_same_server(pgusher, name):
    """Roles that are one on the server share names: what another prepares is judged as its own."""
    p = pgusher(**settings(max_prepared_statements=0, default_pool_size=1, databases={"shop": "{pg} user=app"}))
    record(p, USUAL, dbname="shop")
    record(p, [BAD], dbname="shop", user="app2")
    with p.wire("shop") as first, p.wire("shop", user="app2") as second:
        assert passes(first.ask(wire.parse(name, "SELECT 3") + wire.SYNC))
        assert passes(second.ask(wire.close("S", name) + wire.parse(name, BAD) + wire.SYNC))
        assert refused(first.ask(run(name)))
        assert passes(first.ask(wire.close("S", name) + cycle("SELECT 3", name)))


@pytest.fixture(params=["transaction", "session"])
def pooled(request, pgusher):
    p = pgusher(**settings(pool_mode=request.param))
    record(p, [*USUAL, "DECLARE c CURSOR FOR SELECT 1", "FETCH 1 FROM c", "fetch 1 FROM c; CLOSE c"], dbname="shop")
    mode(p, "off")
    return p


def test_portals_from_before(pooled):
    with pooled.wire("shop") as c:
        c.ask(wire.query("BEGIN"))
        assert passes(c.ask(wire.parse("", BAD) + wire.bind("p") + wire.SYNC))
        mode(pooled, "protect")
        assert refused(c.ask(wire.execute("p") + wire.SYNC))
        c.ask(wire.query("ROLLBACK"))
        c.ask(wire.query("BEGIN"))
        assert passes(c.ask(wire.parse("", "SELECT 3") + wire.bind("p") + wire.SYNC))
        pooled.console("RELOAD")
        assert passes(c.ask(wire.execute("p") + wire.SYNC))


def test_the_unnamed_portal_from_before(pooled):
    with pooled.wire("shop") as c:
        c.send(wire.parse("", BAD) + wire.bind() + wire.FLUSH)
        c.expect("1"), c.expect("2")
        mode(pooled, "protect")
        assert refused(c.ask(wire.execute() + wire.SYNC))
        mode(pooled, "off")
        c.ask(wire.query("BEGIN"))
        mode(pooled, "protect")
        assert passes(c.ask(cycle("SELECT 3")))


def test_cursors_from_before(pooled):
    with pooled.wire("shop") as c:
        c.ask(wire.query("BEGIN"))
        c.ask(wire.query("DECLARE c CURSOR FOR " + BAD))
        mode(pooled, "protect")
        assert refused(c.ask(wire.query("FETCH 1 FROM c")))
        c.ask(wire.query("ROLLBACK"))
        for sql in "BEGIN", "DECLARE c CURSOR FOR SELECT 1", "FETCH 1 FROM c":
            assert passes(c.ask(wire.query(sql)))


def test_cursors_from_before_within_others(pooled):
    with pooled.wire("shop") as c:
        mode(pooled, "protect")
        for sql in "BEGIN", "DECLARE c CURSOR FOR SELECT 1":
            assert passes(c.ask(wire.query(sql)))
        assert passes(c.ask(cycle("FETCH 1 FROM c", "f")))
        c.ask(wire.query("ROLLBACK"))
        for ask in run("f"), wire.query("fetch 1 FROM c; CLOSE c"):
            mode(pooled, "off")
            c.ask(wire.query("BEGIN"))
            assert passes(c.ask(wire.query("DECLARE c CURSOR FOR " + BAD)))
            mode(pooled, "protect")
            assert refused(c.ask(ask))
            c.ask(wire.query("ROLLBACK"))


def test_statements_of_a_session_in_its_budget(pgusher, fake_server):
    """client_memory: those that were not used for longest are forgotten; long names cost no more than others."""
    p = pgusher(pg=None, console={}, databases={"shop": fake_server(answer_cycles).address},
                **settings(pool_mode="session", client_memory=65536))
    record(p, ["SELECT 1"], dbname="shop")
    with p.wire("shop") as c:
        names = [f"T_{i}" for i in range(1000)]
        c.ask(b"".join(wire.parse(n, "SELECT 1") for n in names) + wire.SYNC)
        assert passes(c.ask(run("T_999"))) and passes(c.ask(run("T_800")))
        assert refused(c.ask(run("T_0")))
        names = [f"{i:05}" + "n" * 5000 for i in range(200)]
        for n in names:
            c.ask(wire.parse(n, "SELECT 1") + wire.SYNC)
        assert passes(c.ask(run(names[0])))


# ---- the file ----

def test_file(pgusher):
    p = pgusher(**settings(), start=False)
    p.settings["threat_file"] = p.dir / "threats"
    p.write()
    p.start()
    record(p, ["SELECT 1", "SELECT 1, 2"], dbname="shop")
    assert p.quit() == 0
    lines = (p.dir / "threats").read_text().splitlines()
    assert lines[0] == "pgusher habits 1" and lines[-1] == "end" and 'role "shop" "app"' in lines
    assert (p.dir / "threats").stat().st_mode & 0o777 == 0o600
    p.settings["threat_mode"] = "protect"
    p.write()
    p.start()
    with p.wire("shop") as c:
        assert passes(c.ask(wire.query("SELECT 9, 9")))
        assert refused(c.ask(wire.query("SELECT 9, 9, 9")))
        # An operator takes a line out.
        digest = next(x["digest"] for x in wait_until(lambda: threats(p)))
        assert digest not in lines
        (p.dir / "threats").write_text("\n".join(lines[:2] + lines[3:]) + "\n")
        p.console("RELOAD")
        assert sorted(passes(c.ask(wire.query(sql))) for sql in ("SELECT 9", "SELECT 9, 9")) == [False, True]


def test_bad_file(pgusher):
    p = pgusher(**settings(), start=False)
    path = p.dir / "threats"
    p.settings.update(threat_file=path, threat_mode="protect")
    p.write()
    path.write_text("pgusher habits 1\nrole \"shop\" \"app\"\nnonsense\nend\n")
    p.start()
    p.wait_log(r"threats:3: 16 hex digits are expected")
    with p.wire("shop") as c:
        assert passes(c.ask(wire.query("SELECT 9, 9, 9")))
    assert p.quit() == 0
    assert "nonsense" in path.read_text()


def test_bad_file_at_reload(pgusher):
    """It is refused whole: what was learned before counts, and what somebody wrote stays until it is repaired."""
    p = pgusher(**settings(), start=False)
    path = p.dir / "threats"
    p.settings.update(threat_file=path, threat_mode="protect")
    p.write()
    p.start()
    record(p, ["SELECT 1"], dbname="shop")
    path.write_text("pgusher habits 1\nrole \"shop\" \"app\"\n0123456789abcdef\nnonsense\nend\n")
    p.console("RELOAD")
    p.wait_log(r"threats:4: 16 hex digits are expected")
    with p.wire("shop") as c:
        assert passes(c.ask(wire.query("SELECT 9")))
        assert refused(c.ask(wire.query("SELECT 9, 9")))
    path.unlink()
    p.console("RELOAD")
    with p.wire("shop") as c:
        wait_until(lambda: passes(c.ask(wire.query("SELECT 9, 9"))))
    assert p.quit() == 0


# ---- rates ----

def answer_all(c):
    """A server that has done whatever it was asked."""
    c.accept()
    while (m := c.receive(timeout=600)).kind != "X":
        if m.kind == "Q":
            c.send(wire.command_complete("SELECT 0") + wire.ready())


def outcome(c, sql):
    return not passes(c.ask(wire.query(sql)))


def test_rates(pgusher, fake_server):
    """At least what doc/threats.md says, and no false alarm on what was recorded."""
    server = fake_server(answer_all)
    p = pgusher(pg=None, console={}, databases={"learned": server.address, "rules": server.address}, **settings())
    with p.wire("learned") as learned, p.wire("rules") as rules:
        mode(p, "record")
        for sql in injections.legitimate(injections.STATEMENTS, 20, 1):
            learned.ask(wire.query(sql))
        mode(p, "protect")
        values = [outcome(learned, s) for s in injections.legitimate(injections.STATEMENTS, 50, 2)]
        shapes = injections.legitimate(injections.NEW_STATEMENTS, 10, 3)
        by_shape = [(outcome(learned, s), outcome(rules, s)) for s in shapes]
        seen = collections.defaultdict(list)
        for name, sql in injections.attacks():
            seen[name].append((outcome(learned, sql), outcome(rules, sql)))
    assert p.quit() == 0
    total = [x for of in seen.values() for x in of]
    print()
    for name, of in [*sorted(seen.items()), ("all", total)]:
        print(f"{name:12} {len(of):6} learned {share(a for a, _ in of):6.2f} %  rules {share(b for _, b in of):6.2f} %")
    print(f"false: values {share(values):.2f} % of {len(values)}; new shapes learned {share(a for a, _ in by_shape):.2f} %, "
          f"rules {share(b for _, b in by_shape):.2f} % of {len(by_shape)}")
    assert share(a for a, _ in total) >= 99.5
    assert share(b for _, b in total) >= 90
    assert not any(values)
    assert share(b for _, b in by_shape) <= 2


def share(of):
    of = list(of)
    return 100 * sum(of) / len(of)
