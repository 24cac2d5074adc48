"""Limits: rates, counts and sizes per tenant, user, address; delay first, then 53400; shared over nodes by Redis."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from helpers import SLOW, as_user, end_with_us, free_port, make_dir, remove_dir, wait_until
from wire import bind, close, describe, execute, kinds, message, notification, parse, query

pytestmark = pytest.mark.ours("limits")

SYNC = message("S")


def start(pgusher, limits, **settings):
    return pgusher(sections={"limits": limits}, workers=1, **settings)


def row(p, kind, name=None):
    found = [r for r in p.console("SHOW LIMITS") if r["kind"] == kind and name in (None, r["name"])]
    assert len(found) == 1, found
    return found[0]


def fails(c, *parts, owes=0):
    """The fields of the one error that the parts are answered with; ReadyForQuery follows.
    owes: so many queries are used up first."""
    if owes:
        owe(c, owes)
    c.send(*parts)
    answers = c.until_ready()
    assert [m.kind for m in answers if m.kind != "N"] == ["E", "Z"], answers
    assert answers[-1].body == b"I"
    return [m for m in answers if m.kind == "E"][0].fields


def owe(c, queries):
    """Use up so many: within a transaction nobody waits and nobody is refused."""
    c.send(query("BEGIN"), *[query("SELECT 1")] * (queries - 2), query("COMMIT"))
    for _ in range(queries):
        assert "E" not in [m.kind for m in c.until_ready()]


def test_who_waits_for_others_keeps_nobody_else(pgusher):
    """A tenant's long line of queries that may not begin yet is not in another tenant's way."""
    p = start(pgusher, {"tenant": "active=1 max_delay=60"}, default_pool_size=100, max_client_conn=200,
              pool_mode="transaction")
    clients = [p.wire() for _ in range(103)]
    crowd, (first, second, last) = clients[:100], clients[100:]
    try:
        for c in clients:
            c.login("mill" if c in (first, second) else "shop", "app")
        last.send(query("SELECT pg_sleep(120)"))
        wait_until(lambda: row(p, "active", "shop")["used"] == 1)
        for c in crowd:
            c.send(query("SELECT 1"))
        first.send(query("SELECT pg_sleep(4)"))
        wait_until(lambda: row(p, "active", "mill")["used"] == 1)
        second.send(query("SELECT 2"))
        assert [m.row for m in second.until_ready() if m.kind == "D"] == [["2"]]
        assert row(p, "active", "shop")["used"] == 1, "shop's query is under way still"
        last.cancel()
        for c in [last, *crowd]:
            assert c.until_ready()[-1].kind == "Z"
    finally:
        for c in clients:
            c.close()


def test_a_session_that_changes_its_tenant_is_a_client_there(pgusher):
    p = start(pgusher, {"tenant:mill": "clients=1 connections=1 connections_burst=1"}, users={"app": "tenants=*"},
              pool_mode="transaction")
    with p.wire() as there, p.wire() as comes:
        there.login("mill", "app")
        comes.login("shop", "app")
        fields = fails(comes, query("SET pgusher.tenant = 'mill'"))
        assert fields["C"] == "53300" and 'tenant "mill" is over its limit of 1 client connections' in fields["M"]
        assert [m.row for m in comes.ask(query("SELECT tenant FROM who")) if m.kind == "D"] == [["shop"]]
        assert row(p, "clients", "mill")["used"] == 1
        there.close()
        wait_until(lambda: row(p, "clients", "mill")["used"] == 0)
        for _ in range(5):  # no new connection
            comes.query("SET pgusher.tenant = 'mill'")
            assert row(p, "clients", "mill")["used"] == 1
            comes.query("RESET pgusher.tenant")
            assert row(p, "clients", "mill")["used"] == 0


# ---- queries a second ----

def test_delay_then_refuse(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=2"})
    clients = [p.wire() for _ in range(10)]
    for c in clients:
        c.login("shop", "app")
    began = time.monotonic()
    for c in clients:
        c.send(query("SELECT 1"))
    answers = [c.until_ready() for c in clients]
    took = time.monotonic() - began
    served = [a for a in answers if [m.kind for m in a] == ["T", "D", "C", "Z"]]
    refused = [(c, a) for c, a in zip(clients, answers) if [m.kind for m in a] == ["E", "Z"]]
    assert len(served) >= 3 and refused and len(served) + len(refused) == 10
    assert took >= len(served) - 1.1, "each but the first had to wait for its second"
    fields = refused[-1][1][0].fields
    assert fields["C"] == "53400"
    assert fields["M"] == 'tenant "shop" is over its limit of 1 queries a second'
    assert "max_delay is 2000 ms" in fields["D"] and fields["H"].startswith("Try again in ")
    wait_until(lambda: refused[-1][0].ask(query("SELECT 7"))[0].kind == "T", 5, "the session goes on")
    for c in clients:
        c.close()
    limits = row(p, "queries")
    assert limits["scope"] == "tenant" and limits["name"] == "shop" and limits["mode"] == "enforce"
    assert limits["refused"] >= 1 and limits["limit"] == 1 and limits["burst"] == 1


def test_delayed_client_holds_no_server(pgusher):
    p = start(pgusher, {"tenant:shop": "queries=1 queries_burst=1 max_delay=60"}, default_pool_size=1, pool_mode="transaction")
    with p.wire() as a:
        a.login("shop", "app")
        owe(a, 6)
        a.send(query("SELECT 2"))
        wait_until(lambda: row(p, "queries", "shop")["delayed"] == 1, 5, "it is delayed")
        assert all(r["sv_active"] == 0 for r in p.console("SHOW POOLS") if r["database"] == "shop")
        assert [m.kind for m in a.until_ready()] == ["T", "D", "C", "Z"]


def test_extended_protocol_one_error_then_sync(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=0"})
    with p.wire() as c:
        c.login("shop", "app")
        cycle = (parse("", "SELECT 2"), bind(), execute(), bind(), execute(), SYNC)
        assert fails(c, *cycle, owes=6)["C"] == "53400"
        wait_until(lambda: c.ask(*cycle)[0].kind == "1", 5, "there is room again")


def test_named_statements_survive_a_refusal(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=0"}, pool_mode="transaction")
    with p.wire() as c:
        c.login("shop", "app")
        c.ask(parse("a", "SELECT 41 + 1"), SYNC)
        owe(c, 6)
        assert fails(c, bind(statement="a"), execute(), SYNC)["C"] == "53400"
        answers = wait_until(lambda: [m for m in c.ask(bind(statement="a"), execute(), SYNC) if m.kind == "D"], 5,
                             "there is room again")
        assert "42" in str(answers[0].row)


@pytest.mark.parametrize("first", [parse("b", "SELECT 41 + 1"), close("S", "a") + parse("b", "SELECT 41 + 1")],
                         ids=["parse", "close"])
def test_what_no_server_is_asked_for_is_waited_for_by_nobody(pgusher, first):
    """A query whose first messages pgusher answers itself goes on behind them, outside a transaction and in one."""
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=60"}, pool_mode="transaction")
    cycle = (first, bind(statement="b"), execute(), close("S", "b"), SYNC)
    with p.wire() as c:
        c.login("shop", "app")
        c.ask(parse("a", "SELECT 41 + 1"), SYNC)
        for _ in range(2):
            assert [m.row for m in c.ask(*cycle) if m.kind == "D"] == [["42"]]
        c.query("BEGIN")
        for _ in range(2):
            assert [m.row for m in c.ask(*cycle) if m.kind == "D"] == [["42"]]
        c.query("COMMIT")


def test_never_inside_a_transaction(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=0"})
    with p.wire() as c:
        c.login("shop", "app")
        c.query("BEGIN")
        for _ in range(30):
            c.query("SELECT 1")
        c.query("COMMIT")
        fields = fails(c, query("SELECT 1"))
        assert fields["C"] == "53400"


def test_pipeline_counts_each_query(pgusher):
    """Many queries in one write: none of them is lost, and none is free."""
    p = start(pgusher, {"tenant": "queries=50 queries_burst=5 max_delay=10"})
    with p.wire() as c:
        c.login("shop", "app")
        began = time.monotonic()
        c.send(*[query(f"SELECT {i}") for i in range(30)])
        rows = []
        for _ in range(30):
            rows += [m.row for m in c.until_ready() if m.kind == "D"]
        assert ["".join(c for c in str(r[0]) if c.isdigit()) for r in rows] == [str(i) for i in range(30)]
        assert time.monotonic() - began >= 0.4, "25 beyond the burst take half a second"


def test_cancel_while_delayed(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=60"})
    with p.wire() as c:
        c.login("shop", "app")
        owe(c, 10)
        began = time.monotonic()
        for i in range(10):
            c.send(query("SELECT 2"))
            wait_until(lambda: row(p, "queries")["delayed"] > i, 5, "it is delayed")
            c.cancel()
            answers = c.until_ready()
            assert [m.kind for m in answers] == ["E", "Z"] and answers[0].fields["C"] == "57014"
        c.query("SELECT 3")
        assert time.monotonic() - began < 15, "places that were not used are given back"


def test_disconnect_while_delayed(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=600"})
    with p.wire() as c:
        c.login("shop", "app")
        owe(c, 400)
        began = time.monotonic()
        for i in range(20):
            with p.wire() as gone:
                gone.login("shop", "app")
                gone.send(query("SELECT 2"))
                wait_until(lambda: row(p, "queries")["delayed"] > i, 10, "it has its place")
        wait_until(lambda: len(p.console("SHOW CLIENTS")) == 2, 10, "all have left")
        passed = int(time.monotonic() - began)
        assert row(p, "queries")["used"] <= 400 - passed + 5, "their places are given back"


def test_reload_lifts_the_limit_of_who_waits(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=600"})
    clients = [p.wire() for _ in range(10)]
    for c in clients:
        c.login("shop", "app")
    owe(clients[0], 500)
    for c in clients:
        c.send(query("SELECT 1"))
    wait_until(lambda: row(p, "queries")["delayed"] == 10, 5, "all are delayed")
    p.sections["limits"] = {"tenant": "queries=100000"}
    p.change()
    for c in clients:
        assert c.until_ready()[-1].kind == "Z"
    p.sections["limits"] = {}
    p.change()
    assert p.console("SHOW LIMITS") == []
    for c in clients:
        c.query("SELECT 1")
        c.close()


def test_reload_brings_limits_to_who_is_there(pgusher):
    p = pgusher(workers=1)
    with p.wire() as c:
        c.login("shop", "app")
        c.query("SELECT 1")
        p.sections["limits"] = {"user:app": "queries=1 queries_burst=1 max_delay=0"}
        p.change()
        assert fails(c, query("SELECT 1"), owes=30)["C"] == "53400"


def test_shadow_counts_and_lets_pass(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=0 shadow=1 query_length=50"})
    with p.wire() as c:
        c.login("shop", "app")
        for _ in range(20):
            c.query("SELECT 1")
        c.query("SELECT 1" + " " * 100)
    assert row(p, "queries")["shadowed"] >= 9 and row(p, "queries")["refused"] == 0
    assert row(p, "queries")["mode"] == "shadow" and row(p, "query_length")["shadowed"] >= 1


def test_notice_near_the_limit_of_those_under_way(pgusher):
    p = start(pgusher, {"tenant": "active=2 warn_percent=80"})
    with p.wire() as a, p.wire() as b:
        for c in (a, b):
            c.login("shop", "app")
        assert kinds(a.ask(query("BEGIN"))) == "CZ"
        answers = b.ask(query("BEGIN"))
        assert kinds(answers) == "NCZ"
        assert "close to its limit of 2 queries at a time" in answers[0].fields["M"]


def test_notice_near_the_limit(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1000 max_delay=60 warn_percent=80"})
    with p.wire() as c:
        c.login("shop", "app")
        assert "N" not in kinds(c.ask(query("SELECT 1")))
        owe(c, 950)
        notices = [m for _ in range(10) for m in c.ask(query("SELECT 1")) if m.kind == "N"]
        assert len(notices) == 1
        assert "close to its limit of 1 queries a second" in notices[0].fields["M"]


@pytest.mark.parametrize("scope,name", [("user", "app"), ("address", "127.0.0.1"), ("network", "127.0.0.0/24"),
                                        ("client", "127.0.0.1@shop")])
def test_scopes(pgusher, scope, name):
    p = start(pgusher, {scope: "queries=1 queries_burst=1 max_delay=0"})
    with p.wire() as c:
        c.login("shop", "app")
        assert fails(c, query("SELECT 1"), owes=30)["C"] == "53400"
    assert row(p, "queries")["name"] == name and row(p, "queries")["scope"] == scope


def test_class_of_a_tenant(pgusher):
    p = pgusher(sections={"limits": {"class:small": "queries=1 queries_burst=1 max_delay=0"}},
                databases={"shop": "{pg} limits=small"}, workers=1)
    with p.wire() as c:
        c.login("shop", "app")
        assert fails(c, query("SELECT 1"), owes=30)["C"] == "53400"


def test_connecting_anew_is_no_way_around(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=2 max_delay=0"})
    failed = 0
    for _ in range(6):
        with p.wire() as c:
            c.login("shop", "app")
            failed += any(m.kind == "E" for m in c.ask(query("SELECT 1")))
    assert failed >= 2


def halves(server, c):
    """Have c get the first half of a notification; the other half is returned."""
    told = notification("news", "x" * 3000)
    server.send(told[:1500])
    while len(c.buffer) < 1500:
        c.fill(c.timeout)
    return told[1500:]


@pytest.mark.parametrize("ask,limit,answers", [
    ([query("SELECT 2")], "queries=1 queries_burst=1 max_delay=0", "AEZ"),
    ([parse("", "SELECT 2"), bind(), execute(), SYNC], "queries=1 queries_burst=1 max_delay=0", "AEZ"),
    ([query("SELECT 2")], "queries=1 queries_burst=2 max_delay=60 warn_percent=10", "ANTDCZ")],
    ids=["refused", "refused to Sync", "warned"])
def test_no_words_of_ours_within_the_servers(pgusher, fake_server, ask, limit, answers):
    server = fake_server()
    p = start(pgusher, {"tenant": limit}, pool_mode="session", pg=None, console={}, databases={"shop": server.address})
    with p.wire() as c:
        c.login("shop", "app")
        if "warn" not in limit:
            owe(c, 30)
        else:
            c.ask(SYNC)
        rest = halves(server.connections[-1], c)
        c.send(*ask)
        with pytest.raises(TimeoutError):
            c.fill(0.2)
        server.connections[-1].send(rest)
        assert "".join(m.kind for m in c.until_ready()) == answers


def test_nor_of_who_waits(pgusher, fake_server):
    server = fake_server()
    p = start(pgusher, {"tenant": "active=1 max_delay=0.3"}, pool_mode="session", pg=None, console={},
              databases={"shop": server.address})
    with p.wire() as other, p.wire() as c:
        for x in (other, c):
            x.login("shop", "app")
            x.query("SELECT 1")
        other.query("BEGIN")
        c.send(query("SELECT 2"))
        rest = halves(server.connections[-1], c)
        with pytest.raises(TimeoutError):
            c.fill(0.6)
        c.cancel()
        server.connections[-1].send(rest)
        assert "".join(m.kind for m in c.until_ready()) == "AEZ"


# ---- other kinds ----

def test_clients(pgusher):
    p = start(pgusher, {"tenant": "clients=2"})
    with p.wire() as a, p.wire() as b:
        a.login("shop", "app")
        b.login("shop", "app")
        fields = p.refused("shop", "app")
        assert fields["C"] == "53300" and "2 client connections" in fields["M"]
    wait_until(lambda: row(p, "clients")["used"] == 0, 5, "they have left")
    assert p.value("SELECT 1") == 1


def test_new_connections(pgusher):
    p = start(pgusher, {"tenant": "connections=1 connections_burst=2"})
    replies = []
    for _ in range(20):
        with p.wire() as c:
            replies.append(c.login("shop", "app"))
    assert [m.kind for m in replies[:2]] == ["Z", "Z"]
    refused = [m.fields for m in replies if m.kind == "E"]
    assert refused and {f["C"] for f in refused} == {"53400"} and refused[0]["H"].startswith("Try again in")


def test_active(pgusher):
    p = start(pgusher, {"tenant": "active=1 max_delay=30"}, default_pool_size=5)
    with p.wire() as a, p.wire() as b:
        a.login("shop", "app")
        b.login("shop", "app")
        a.query("BEGIN")
        b.send(query("SELECT 2"))
        b.quiet(0.3)
        assert row(p, "active")["used"] == 1
        a.query("COMMIT")
        assert b.until_ready()[-1].kind == "Z"
        wait_until(lambda: row(p, "active")["used"] == 0, 5, "nothing is under way")


def test_active_refused_in_the_end(pgusher):
    p = start(pgusher, {"tenant": "active=1 max_delay=0.2"}, default_pool_size=5)
    with p.wire() as a, p.wire() as b:
        a.login("shop", "app")
        b.login("shop", "app")
        a.query("BEGIN")
        fields = fails(b, query("SELECT 2"))
        assert fields["C"] == "53400" and "1 queries at a time" in fields["M"]
        a.query("COMMIT")
        b.query("SELECT 3")


def test_bytes_are_paid_afterwards(pgusher):
    p = start(pgusher, {"tenant": "bytes=100000 bytes_burst=100000 max_delay=0"})
    with p.wire() as c:
        c.login("shop", "app")
        assert len(c.query("SELECT repeat('x', 1000) FROM generate_series(1, 600)")) == 600
        fields = fails(c, query("SELECT 1"))
        assert fields["C"] == "53400" and "bytes a second" in fields["M"]
        wait_until(lambda: c.ask(query("SELECT 1"))[0].kind == "T", 10, "it is paid")


def test_server_time_is_paid_afterwards(pgusher):
    p = start(pgusher, {"tenant": "server_time=100 server_time_burst=100 max_delay=0"})
    with p.wire() as c:
        c.login("shop", "app")
        c.query("SELECT pg_sleep(0.4)")
        fields = fails(c, query("SELECT 1"))
        assert fields["C"] == "53400" and "servers' time" in fields["M"]
        wait_until(lambda: c.ask(query("SELECT 1"))[0].kind == "T", 10 * SLOW, "it is paid")


def test_query_length(pgusher):
    """Refused without being kept, outside and inside a transaction; in the latter the server fails, too."""
    p = start(pgusher, {"tenant": "query_length=1000"})
    long = "SELECT '" + "x" * 300000 + "'"
    with p.wire() as c:
        c.login("shop", "app")
        assert fails(c, query(long))["C"] == "54000"
        assert fails(c, parse("", long), bind(), execute(), SYNC)["C"] == "54000"
        c.query("BEGIN")
        answers = c.ask(query(long))
        assert [m.kind for m in answers] == ["E", "Z"] and answers[0].fields["C"] == "54000"
        assert answers[1].body == b"E"
        c.query("ROLLBACK")
        assert len(c.query("SELECT 1")) == 1


BIG = "SELECT repeat('x', 1000) FROM generate_series(1, {})"


@pytest.mark.parametrize("rows", [200, 100000], ids=["done before it is noticed", "cancelled"])
@pytest.mark.parametrize("how", ["simple", "extended", "copy"])
def test_result_size(pgusher, rows, how):
    """No more rows than that, an error in their place, and the session goes on."""
    p = start(pgusher, {"tenant": "result_size=100000"}, pool_mode="transaction")
    sql = BIG.format(rows)
    ask = {"simple": [query(sql)], "copy": [query(f"COPY ({sql}) TO STDOUT")],
           "extended": [parse("", sql), bind(), execute(), SYNC]}[how]
    with p.wire() as c:
        c.login("shop", "app")
        for _ in range(2):
            answers = c.ask(*ask, timeout=60 * SLOW)
            assert [m.kind for m in answers[-2:]] == ["E", "Z"] and answers[-1].body == b"I"
            assert answers[-2].fields["C"] == "54000" and "100000 bytes of a query's result" in answers[-2].fields["M"]
            assert [m.kind for m in answers].count("E") == 1
            assert 90 < [m.kind for m in answers].count("D" if how != "copy" else "d") < 1000
            assert len(c.query("SELECT 1")) == 1
        assert len(c.query(BIG.format(50))) == 50
        assert len(c.query(BIG.format(50))) == 50, "replies are not added up"
        answers = c.ask(*[query(BIG.format(50))])
    assert row(p, "result_size")["refused"] == 2


def test_result_size_in_a_transaction(pgusher):
    """Cancelled, it fails as others do; when the server had done it, the client may not believe that it failed."""
    p = start(pgusher, {"tenant": "result_size=100000"}, pool_mode="transaction")
    with p.wire() as c:
        c.login("shop", "app")
        c.query("BEGIN")
        answers = c.ask(query(BIG.format(100000)), timeout=60 * SLOW)
        assert answers[-2].fields["C"] == "54000" and answers[-1].body == b"E"
        c.query("ROLLBACK")
        c.query("BEGIN")
        c.send(query(BIG.format(200)))
        last = c.until_closed()[-1]
        assert last.fields["C"] == "54000" and last.fields["S"] == "FATAL" or last.kind == "Z"


def test_transaction_length(pgusher):
    p = start(pgusher, {"tenant": "transaction=0.3"})
    with p.wire() as c:
        c.login("shop", "app")
        c.query("BEGIN")
        last = c.until_closed()
        assert last[-1].fields["C"] == "25P04" and last[-1].fields["S"] == "FATAL"


def test_queue(pgusher):
    p = start(pgusher, {"tenant": "queue=1"}, default_pool_size=1, pool_mode="transaction")
    with p.wire() as a, p.wire() as b, p.wire() as c:
        for x in (a, b, c):
            x.login("shop", "app")
        a.query("BEGIN")
        b.send(query("SELECT 2"))
        wait_until(lambda: row(p, "queue")["used"] == 1, 5, "one waits")
        fields = fails(c, query("SELECT 3"))
        assert fields["C"] == "53300"
        assert fails(c, parse("", "SELECT 3"), bind(), execute(), SYNC)["C"] == "53300"
        a.query("COMMIT")
        assert b.until_ready()[-1].kind == "Z"
        wait_until(lambda: row(p, "queue")["used"] == 0, 5, "nobody waits")
        c.query("SELECT 4")


# ---- what is counted ----

NOT_QUERIES = {
    "prepare": (parse("s", "SELECT $1::int", [23]), SYNC),
    "prepare and describe": (parse("s", "SELECT 1"), describe("S", "s"), SYNC),
    "describe": (describe("S", "known"), SYNC),
    "bind": (bind(statement="known"), SYNC),
    "close": (close("S", "nobody"), SYNC),
    "sync": (SYNC,),
}


@pytest.mark.parametrize("what", NOT_QUERIES)
@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
def test_what_runs_no_query_is_none(pgusher, pool_mode, what):
    """It costs nothing, and nobody is refused for it."""
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=0"}, pool_mode=pool_mode)
    ask = NOT_QUERIES[what]
    with p.wire() as c:
        c.login("shop", "app")
        c.ask(parse("known", "SELECT 1"), SYNC)
        for _ in range(3):
            assert "E" not in kinds(c.ask(*ask)) and "E" not in kinds(c.ask(close("S", "s"), SYNC))
        assert row(p, "queries")["used"] == 0
        owe(c, 30)
        for _ in range(3):
            assert "E" not in kinds(c.ask(*ask)) and "E" not in kinds(c.ask(close("S", "s"), SYNC))
        assert fails(c, query("SELECT 1"))["C"] == "53400"
        assert fails(c, bind(statement="known"), execute(), SYNC)["C"] == "53400"


def test_what_runs_no_query_in_pieces(pgusher):
    """Until its end has come it could be a query: what was taken for that is given back."""
    p = start(pgusher, {"tenant": "queries=1 queries_burst=100 max_delay=0 active=1"}, pool_mode="transaction")
    with p.wire() as c:
        c.login("shop", "app")
        for i in range(10):
            c.send(parse(f"s{i}", "SELECT 1"), message("H"))
            c.expect("1")
            assert row(p, "queries")["used"] >= 1 and row(p, "active")["used"] == 1
            c.ask(SYNC)
            assert row(p, "active")["used"] == 0
        assert row(p, "queries")["used"] <= 1
        for _ in range(10):
            c.send(bind(statement="s1"), message("H"))
            c.expect("2")
            c.ask(execute(), SYNC)
        assert row(p, "queries")["passed"] >= 10 and row(p, "queries")["used"] >= 2


def test_what_runs_no_query_lets_none_past(pgusher):
    """A query in the same write, behind what is none, is counted as under way."""
    p = start(pgusher, {"tenant": "active=1 max_delay=60"}, pool_mode="transaction", default_pool_size=5)
    with p.wire() as a, p.wire() as b:
        for c in (a, b):
            c.login("shop", "app")
        a.query("BEGIN")
        b.send(parse("s", "SELECT 42"), SYNC, bind(statement="s"), execute(), SYNC, query("SELECT 2"))
        assert kinds(b.until_ready()) == "1Z"
        b.quiet(0.3)
        a.query("COMMIT")
        assert [m.row for m in b.until_ready() if m.kind == "D"] == [["42"]]
        assert [m.row for m in b.until_ready() if m.kind == "D"] == [["2"]]


def test_a_tenant_that_is_changed_counts_as_a_query(pgusher):
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=0"}, users={"app": "tenants=*"},
              pool_mode="transaction")
    sql = "SET pgusher.tenant = 'shop'"
    with p.wire() as c:
        c.login("shop", "app")
        for change in [query(sql)], [parse("", sql), bind(), execute(), SYNC]:
            wait_until(lambda: row(p, "queries", "shop")["used"] == 0, 10, "there is room")
            c.send(*change * 20)
            answers = [kinds(c.until_ready()) for _ in range(20)]
            assert answers[0].endswith("CZ") and "EZ" in answers, answers


def test_nor_is_one_behind_what_is_none(pgusher):
    """What a server is asked for in front of it in its cycle does not pay for it."""
    p = start(pgusher, {"tenant": "queries=1 queries_burst=1 max_delay=0"}, users={"app": "tenants=*"},
              pool_mode="transaction")
    change = (close("S", "nobody"), parse("", "SET pgusher.tenant = 'shop'"), bind(), execute(), SYNC)
    with p.wire() as c:
        c.login("shop", "app")
        c.send(*change * 20)
        answers = [kinds(c.until_ready()) for _ in range(20)]
        assert "312CZ" in answers, answers
        assert any("E" in a for a in answers), answers


def test_bytes_are_paid_by_the_next_query(pgusher):
    """Also those of a reply that came in one piece: no session has one free."""
    p = start(pgusher, {"tenant": "bytes=1000 bytes_burst=1000 max_delay=0"})
    with p.wire() as c:
        c.login("shop", "app")
        assert len(c.query("SELECT repeat('x', 1000) FROM generate_series(1, 30)")) == 30
        fields = fails(c, query("SELECT 1"))
        assert fields["C"] == "53400" and "bytes a second" in fields["M"]


@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
@pytest.mark.parametrize("piece", [None, 1, 7])
def test_query_length_is_the_texts(pgusher, pool_mode, piece):
    """Neither the statement's name nor the parameters' types, nor what ends the text, however it comes."""
    p = start(pgusher, {"tenant": "query_length=10"}, pool_mode=pool_mode)
    oids = [23] * 50
    with p.wire() as c:
        c.login("shop", "app")
        for text, fits in [("SELECT 123", True), ("SELECT 1234", False)]:
            for name in "", "a_name_that_is_longer_than_the_limit":
                for types in [], oids:
                    c.send(query(text), piece=piece)
                    assert (kinds(c.until_ready()) == "TDCZ") == fits
                    c.send(close("S", name), parse(name, text, types), SYNC, piece=piece)
                    answers = c.until_ready()
                    assert kinds(answers) == ("31Z" if fits else "3EZ"), (text, name, types)
                    if not fits:
                        assert answers[1].fields["C"] == "54000"
                        assert re.fullmatch(f"This one is {'(at least )?' * bool(piece)}11 bytes long.", answers[1].fields["D"])


def test_query_length_of_what_is_not_whole(pgusher):
    """It is refused as soon as it is clear, and nothing is kept of it."""
    p = start(pgusher, {"tenant": "query_length=1000"}, pool_mode="transaction")
    with p.wire() as c:
        c.login("shop", "app")
        for size, clear in [(1000, None), (1001, 1100), (5000, 1100), (3_000_000, 20_000)]:
            text = "SELECT '" + "x" * (size - 9) + "'"
            whole = parse("", text, [23] * 3)
            c.send(whole[:900])
            if clear != 20_000:  # it may be clear already
                c.quiet(0.05)
            c.send(whole[900:clear])
            if clear:
                error = c.expect("E").fields
                assert error["C"] == "54000" and re.match("This one is (at least )?[0-9]+ bytes long", error["D"])
                c.send(whole[clear:])
            c.send(bind("", "", ["1", "2", "3"]), execute(), SYNC)
            assert kinds(c.until_ready()) == ("Z" if clear else "12DCZ")
            assert len(c.query("SELECT 1")) == 1


@pytest.mark.parametrize("size", [50_000, 100_000_000])
def test_query_length_where_the_name_does_not_end(pgusher, size):
    """Longer than any name is: it is refused, not waited for."""
    p = start(pgusher, {"tenant": "query_length=1000"}, pool_mode="session", query_stats=0)
    with p.wire() as c:
        c.login("shop", "app")
        c.query("SELECT 1")
        c.send(b"P" + struct.pack("!I", size) + b"n" * 20_000)
        assert c.expect("E").fields["C"] == "54000"
        if size > 1_000_000:
            return
        c.send(b"n" * (size - 4 - 20_000), SYNC)
        assert kinds(c.until_ready()) == "Z"
        assert len(c.query("SELECT 1")) == 1


def test_what_is_kept_for_its_query_length_is_within_the_budget(pgusher):
    p = start(pgusher, {"tenant": "query_length=200000"}, pool_mode="session", query_stats=0, client_memory=100_000)
    text = "SELECT '" + "x" * 199_980 + "'"
    with p.wire() as c:
        c.login("shop", "app")
        c.query("SELECT 1")
        whole = parse("", text, [23] * 10)
        c.send(whole[:50_000])
        error = c.expect("E").fields
        assert error["C"] == "54000" and "client_memory" in error["D"]
        c.send(whole[50_000:], SYNC)
        assert kinds(c.until_ready()) == "Z"
        c.send(parse("", text), bind(), execute(), SYNC)
        assert kinds(c.until_ready()) == "12DCZ", "what needs no waiting is not kept"


# ---- several nodes, one Redis ----

class Redis:
    def __init__(self, port=None):
        self.port = port or free_port()
        self.dir = make_dir("pgu-redis-")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(self.dir)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=end_with_us(), **as_user())
        wait_until(lambda: self.ask("PING") == b"+PONG", 10, "Redis answers")

    def ask(self, command):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                s.sendall(command.encode() + b"\r\n")
                return s.recv(4096).split(b"\r\n")[0]
        except OSError:
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()
        remove_dir(self.dir)


@pytest.fixture
def redis():
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    server = Redis()
    yield server
    server.close()


class Load:
    """Clients that ask as fast as they are let; counts what was answered and what failed."""

    def __init__(self, p, clients):
        self.done, self.errors, self.stop = [0] * clients, [], False
        self.threads = [threading.Thread(target=self.run, args=(p, i)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def run(self, p, i):
        try:
            with p.wire() as c:
                c.login("shop", "app")
                while not self.stop:
                    c.query("SELECT 1", timeout=60 * SLOW)
                    self.done[i] += 1
        except Exception as e:
            self.errors.append(e)

    @property
    def total(self):
        return sum(self.done)

    def end(self):
        self.stop = True
        for t in self.threads:
            t.join()
        assert not self.errors, self.errors


def source(p):
    return row(p, "queries", "shop")["source"]


def passed(loads, seconds=4):
    began = time.monotonic()  # a pause in between makes it less, not more
    before = sum(x.total for x in loads)
    time.sleep(seconds)
    return (sum(x.total for x in loads) - before) / (time.monotonic() - began)


def passes(load, least, most):
    """A busy machine may pass less for a while, never more."""
    def enough():
        rate = passed([load])
        assert rate <= most, "no more than its part of the rate"
        return rate >= least

    wait_until(enough, 40 * SLOW, "its part of the rate")


def test_two_nodes_share_a_rate(pgusher, redis):
    """Two nodes, one of which has all the load at first: together they pass the rate and no more, whatever Redis does.
    Without sharing it would be 100 by one node, or 400 by both.  (How exact it is: test/bench/limits.)"""

    def passes_the_rate(why, most=220):
        def more_than_one_nodes_part():
            rate = passed(loads)
            assert rate <= most, why
            return rate > (60 if SLOW > 1 else 110)

        wait_until(more_than_one_nodes_part, 40 * SLOW, why)

    nodes = [start(pgusher, {"tenant": "queries=200 queries_burst=20 max_delay=60"}, pool_mode="transaction",
                   limit_redis=f"redis://127.0.0.1:{redis.port}/0", limit_nodes=2) for _ in range(2)]
    loads = [Load(nodes[0], 8)]
    try:
        wait_until(lambda: source(nodes[0]) == "redis", 10, "the first node has leases")
        passes_the_rate("the first has the whole rate")
        loads.append(Load(nodes[1], 8))
        wait_until(lambda: source(nodes[1]) == "redis", 10, "the second node has leases")
        time.sleep(0.5)
        passes_the_rate("both together")
        redis.kill()
        wait_until(lambda: {source(p) for p in nodes} == {"local"}, 10, "each has its own part")
        passes_the_rate("without Redis")
        redis.start()
        wait_until(lambda: {source(p) for p in nodes} == {"redis"}, 15, "they share again")
        passes_the_rate("with Redis again", 250)
        os.kill(redis.process.pid, signal.SIGSTOP)
        wait_until(lambda: {source(p) for p in nodes} == {"local"}, 10, "a Redis that hangs is none")
        passes_the_rate("with a Redis that hangs")
        os.kill(redis.process.pid, signal.SIGCONT)
    finally:
        for load in loads:
            load.end()


def test_redis_that_forgets_its_scripts(pgusher, redis):
    p = start(pgusher, {"tenant": "queries=100 max_delay=60"}, limit_redis=f"redis://127.0.0.1:{redis.port}/3")
    load = Load(p, 2)
    try:
        wait_until(lambda: source(p) == "redis", 10, "leases")
        assert redis.ask("SCRIPT FLUSH") == b"+OK"
        assert passed([load], 3) > 30
        assert source(p) == "redis"
    finally:
        load.end()


@pytest.mark.parametrize("fails, heals", [("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
                                          ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")])
def test_redis_that_answers_with_errors(pgusher, redis, fails, heals):
    """It is full, or a standby: as good as none, and nobody stops for that."""
    p = start(pgusher, {"tenant": "queries=100 queries_burst=10 max_delay=60"}, limit_nodes=2,
              limit_redis=f"redis://127.0.0.1:{redis.port}/0")
    load = Load(p, 4)
    try:
        wait_until(lambda: source(p) == "redis", 10, "leases")
        assert redis.ask(fails) == b"+OK"
        p.wait_log("WARNING Redis grants no leases: ")
        wait_until(lambda: source(p) == "local", 10, "its own part")
        passes(load, 15, 62)
        assert len(re.findall("grants no leases", p.log())) == 1, "told once"
        assert redis.ask(heals) == b"+OK"
        wait_until(lambda: source(p) == "redis", 10, "leases again")
        p.wait_log("LOG Redis grants leases again")
    finally:
        load.end()


def test_redis_that_is_not_there(pgusher):
    p = start(pgusher, {"tenant": "queries=20 queries_burst=2 max_delay=60"}, limit_nodes=2,
              limit_redis=f"redis://127.0.0.1:{free_port()}")
    load = Load(p, 2)
    try:
        passes(load, 4, 14)
    finally:
        load.end()


def test_nothing_configured_shows_nothing(pgusher):
    p = pgusher(workers=1)
    assert p.value("SELECT 1") == 1
    assert p.console("SHOW LIMITS") == []
