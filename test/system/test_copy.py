"""COPY in and out, simple and extended, and what happens when it fails on either side."""

import psycopg
import pytest

import wire
from helpers import wait_until


@pytest.fixture(scope="module", params=["session", "transaction", "statement"])
def mode(request, module_pgusher):
    p = module_pgusher(pool_mode=request.param, default_pool_size=2)
    with p.pg.connect("shop", user="app") as c:
        c.execute("DROP TABLE IF EXISTS copied")
        c.execute("CREATE TABLE copied (a int, b text)")
    return p


@pytest.fixture
def table(mode):
    with mode.pg.connect("shop", user="app") as c:
        c.execute("TRUNCATE copied")
    return mode


def rows(p):
    return p.pg.value("SELECT count(*) FROM copied", "shop")


def test_in(table):
    with table.connect() as c:
        with c.cursor().copy("COPY copied FROM STDIN") as copy:
            for i in range(10000):
                copy.write_row((i, f"row {i}"))
        assert c.execute("SELECT count(*), sum(a) FROM copied").fetchone() == (10000, 49995000)


def test_out(table):
    with table.connect() as c:
        with c.cursor().copy("COPY (SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i) TO STDOUT") as copy:
            assert sum(len(bytes(data)) for data in copy) > 2_000_000
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_binary_both_ways(table):
    with table.connect() as c:
        with c.cursor().copy("COPY copied (a) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4"])
            copy.write_row((7,))
        with c.cursor().copy("COPY copied (a) TO STDOUT (FORMAT BINARY)") as copy:
            copy.set_types(["int4"])
            assert list(copy.rows()) == [(7,)]


def test_psql_copy(table):
    table.psql("\\copy (SELECT 1) to '/dev/null'")
    assert table.psql("COPY (SELECT 5, 'five') TO STDOUT").stdout.strip() == "5\tfive"


def test_in_fails_on_data(table):
    with table.connect() as c:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            with c.cursor().copy("COPY copied FROM STDIN") as copy:
                copy.write("no number\ttext\n")
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert rows(table) == 0


def test_in_fails_while_data_flows(table):
    """The server gives up at the first line while the client still sends megabytes."""
    with table.wire("shop") as c:
        c.send(wire.query("COPY copied FROM STDIN"))
        c.expect("G")
        c.send(wire.copy_data(b"bad\tline\n"), *[wire.copy_data(b"1\tx\n" * 1000)] * 1000, wire.COPY_DONE)
        got = c.until_ready()
        assert wire.kinds(got) == "EZ" and got[0].code == "22P02"
        assert c.query("SELECT 1") == [["1"]]
    assert rows(table) == 0


def test_in_client_gives_up(table):
    with table.wire("shop") as c:
        c.send(wire.query("COPY copied FROM STDIN"))
        c.expect("G")
        c.send(wire.copy_data(b"1\tx\n"), wire.copy_fail("changed my mind"))
        got = c.until_ready()
        assert wire.kinds(got) == "EZ" and got[0].code == "57014" and "changed my mind" in got[0].fields["M"]
        assert c.query("SELECT 1") == [["1"]]
    assert rows(table) == 0


def test_in_client_vanishes(table):
    c = table.wire("shop")
    c.send(wire.query("COPY copied FROM STDIN"))
    c.expect("G")
    c.send(wire.copy_data(b"1\tx\n"))
    c.reset()
    assert table.value("SELECT 1") == 1
    wait_until(lambda: not table.pg.backends("shop", where="query LIKE 'COPY%' AND state = 'active'"), 2)
    assert rows(table) == 0


def test_out_client_vanishes(table):
    c = table.wire("shop")
    c.send(wire.query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 10000000)) TO STDOUT"))
    c.expect("H")
    c.reset()
    wait_until(lambda: not table.pg.backends("shop", where="query LIKE 'COPY%' AND state = 'active'"), 3)
    assert table.value("SELECT 1") == 1


def test_extended_in(table):
    with table.wire("shop") as c:
        c.send(wire.parse("", "COPY copied FROM STDIN"), wire.bind(), wire.execute(), wire.SYNC)
        assert wire.kinds([c.receive() for _ in range(3)]) == "12G"
        # the Sync that came before CopyDone does not count
        c.send(wire.copy_data(b"1\tone\n2\ttwo\n"), wire.COPY_DONE, wire.SYNC)
        got = c.until_ready()
        assert wire.kinds(got) == "CZ" and got[0].strings == ["COPY 2"]
        assert c.query("SELECT count(*) FROM copied") == [["2"]]


def test_extended_out(table):
    with table.wire("shop") as c:
        got = c.ask(wire.parse("", "COPY (SELECT 1) TO STDOUT"), wire.bind(), wire.execute(), wire.SYNC)
        assert wire.kinds(got) == "12HdcCZ" and got[3].body == b"1\n"


def test_extended_in_fails_while_data_flows(table):
    with table.wire("shop") as c:
        c.send(wire.parse("", "COPY copied FROM STDIN"), wire.bind(), wire.execute(), wire.FLUSH)
        assert wire.kinds([c.receive() for _ in range(3)]) == "12G"
        c.send(wire.copy_data(b"bad\tline\n"), *[wire.copy_data(b"1\tx\n" * 1000)] * 500, wire.COPY_DONE, wire.SYNC)
        got = c.until_ready()
        assert wire.kinds(got) == "EZ" and got[0].code == "22P02"
        assert c.query("SELECT 1") == [["1"]]


@pytest.mark.ours("prepared COPY", since=(1, 21))
def test_prepared_in_and_out(table):
    with table.wire("shop") as c:
        c.ask(wire.parse("in", "COPY copied FROM STDIN"), wire.parse("out", "COPY copied TO STDOUT"), wire.SYNC)
        for _ in range(3):
            c.send(wire.bind("", "in"), wire.execute(), wire.FLUSH)
            assert wire.kinds([c.receive() for _ in range(2)]) == "2G"
            c.send(wire.copy_data(b"1\tone\n"), wire.COPY_DONE, wire.SYNC)
            assert wire.kinds(c.until_ready()) == "CZ"
        got = c.ask(wire.bind("", "out"), wire.execute(), wire.SYNC)
        assert wire.kinds(got) == "2HdddcCZ"


def test_several_copies_in_one_query(table):
    with table.wire("shop") as c:
        got = c.ask(wire.query("COPY (SELECT 1) TO STDOUT; SELECT 2; COPY (SELECT 3) TO STDOUT"))
        assert wire.kinds(got) == "HdcCTDCHdcCZ"
        c.send(wire.query("COPY copied FROM STDIN; COPY copied FROM STDIN; SELECT 'end'"))
        for i in range(2):
            c.expect("G")
            c.send(wire.copy_data(b"%d\tx\n" % i), wire.COPY_DONE)
            c.expect("C")
        assert wire.kinds(c.until_ready()) == "TDCZ"
    assert rows(table) == 2


@pytest.mark.ours("loses a query behind COPY data", since=(1, 25))
def test_data_that_is_ahead_of_the_answer(table):
    """Query, data and CopyDone in one write: legal, and psql scripts do it."""
    with table.wire("shop") as c:
        c.send(wire.query("COPY copied FROM STDIN"), wire.copy_data(b"1\tx\n" * 5000), wire.COPY_DONE,
               wire.query("SELECT count(*) FROM copied"))
        assert wire.kinds(c.until_ready()) == "GCZ"
        assert c.until_ready()[1].row == ["5000"]


def test_sync_and_flush_inside_copy_in(table):
    """PostgreSQL ignores both while it reads COPY data."""
    with table.wire("shop") as c:
        c.send(wire.query("COPY copied FROM STDIN"))
        c.expect("G")
        c.send(wire.copy_data(b"1\tx\n"), wire.SYNC, wire.FLUSH, wire.copy_data(b"2\ty\n"), wire.COPY_DONE)
        assert wire.kinds(c.until_ready()) == "CZ"
        c.quiet(0.05)
        assert c.query("SELECT count(*) FROM copied") == [["2"]]


def test_server_dies_in_copy_in(table):
    with table.wire("shop") as c:
        c.send(wire.query("COPY copied FROM STDIN"))
        c.expect("G")
        c.send(wire.copy_data(b"1\tx\n"))
        table.pg.terminate("shop")
        try:
            c.send(*[wire.copy_data(b"1\tx\n" * 1000)] * 100, wire.COPY_DONE)
        except wire.Gone:
            pass
        got = c.until_closed(5)
        assert all(m.kind in "EN" for m in got)
    assert table.value("SELECT 1") == 1
    assert rows(table) == 0
