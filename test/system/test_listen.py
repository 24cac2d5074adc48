"""Where it listens: Unix sockets with their mode, IPv4, IPv6, several addresses, none."""

import os
import stat

import psycopg
import pytest

import wire
from helpers import HAVE_IPV6, wait_until
from pooler import PEER


def sock(p):
    return p.dir / f".s.PGSQL.{p.port}"


def test_unix_socket(pgusher):
    p = pgusher(pool_mode="transaction")
    assert p.value("SELECT 1", host=str(p.dir)) == 1
    with p.wire("shop", host=str(p.dir)) as c:
        assert c.query("SELECT 1") == [["1"]]
        assert p.clients("shop")[0]["addr"] == "unix"
    assert stat.S_IMODE(os.stat(sock(p)).st_mode) == 0o777


@pytest.mark.parametrize("mode", ["0700", "0770", "0755"])
def test_unix_socket_mode(pgusher, mode):
    p = pgusher(unix_socket_mode=mode)
    assert stat.S_IMODE(os.stat(sock(p)).st_mode) == int(mode, 8)


def test_unix_socket_left_behind_by_a_crash(pgusher):
    p = pgusher()
    p.process.kill()
    p.process.wait()
    assert sock(p).exists()
    p.start()
    assert p.value("SELECT 1", host=str(p.dir)) == 1


def test_only_unix(pgusher):
    p = pgusher(listen_addr="")
    assert p.value("SELECT 1", host=str(p.dir)) == 1
    with pytest.raises(OSError):
        wire.Client.connect("127.0.0.1", p.port)


def test_only_tcp(pgusher):
    p = pgusher(unix_socket_dir="")
    assert p.value("SELECT 1") == 1
    assert not sock(p).exists()


def test_nowhere(pgusher):
    p = pgusher(unix_socket_dir="", listen_addr="", start=False)
    assert p.spawn().wait(10) != 0


@pytest.mark.skipif(not HAVE_IPV6, reason="no IPv6 on the loopback interface")
@pytest.mark.parametrize("listen", ["::1", "127.0.0.1, ::1", "*", "localhost"])
def test_ipv6(pgusher, listen):
    p = pgusher(listen_addr=listen, pool_mode="transaction")
    if listen != "localhost":
        with p.wire("shop", host="::1") as c:
            assert c.query("SELECT 1") == [["1"]]
            if PEER is None or PEER >= (1, 20):
                p.wait_log(r"shop/app@\[::1\]:\d+")
    if listen != "::1":
        assert p.value("SELECT 1") == 1


def test_address_that_is_not_ours(pgusher):
    """It can't be bound: the start fails, in words, or goes on with the other addresses (as PgBouncer does)."""
    p = pgusher(listen_addr="192.0.2.1", unix_socket_dir="", start=False)
    assert p.spawn().wait(10) != 0
    assert "192.0.2.1" in p.output()


def test_server_over_a_unix_socket(pgusher):
    p = pgusher(databases={"local": "dbname=shop"}, start=False)
    p.databases["local"] = f"host={p.pg.dir} port={p.pg.port} dbname=shop"
    p.write()
    p.start()
    with p.connect("local") as c:
        assert c.execute("SELECT tenant FROM who").fetchone() == ("shop",)
        assert p.servers("local")[0]["addr"] == "unix"


def test_server_by_name(pgusher):
    p = pgusher(databases={"named": "host=localhost"}, start=False)
    p.databases["named"] = f"host=localhost port={p.pg.port} dbname=shop"
    p.write()
    p.start()
    assert p.value("SELECT tenant FROM who", "named") == "shop"


def test_server_name_that_does_not_exist(pgusher):
    p = pgusher(databases={"lost": "host=nosuch.invalid port=1"}, query_wait_timeout=3, server_login_retry=1)
    with pytest.raises(psycopg.OperationalError):
        p.value("SELECT 1", "lost")
    assert p.value("SELECT 1") == 1


def test_more_clients_at_once_than_the_backlog(pgusher):
    p = pgusher(listen_backlog=16, max_client_conn=500, pool_mode="transaction")
    clients = [p.wire() for _ in range(200)]
    for c in clients:
        c.start("shop", "app")
    for c in clients:
        assert c.authenticate("app", "").kind == "Z"
        c.close()
    wait_until(lambda: not p.clients("shop"))
