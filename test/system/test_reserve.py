"""admin_reserve of [hosts] is for who logs in as one of admin_users, whatever user the servers have."""

import contextlib
import threading

import psycopg
import pytest

from helpers import SLOW, wait_until
from test_hosts import back_to_zero, host, hosts, many

pytestmark = pytest.mark.ours("[hosts]")

NORMAL = dict(pool_mode="transaction", query_wait_timeout=4 * SLOW, server_login_retry=30)


@pytest.fixture
def closing():
    with contextlib.ExitStack() as stack:
        yield stack


def fill(p, closing, names):
    clients = [closing.enter_context(p.connect(name)) for name in names]
    for c in clients:
        c.execute("BEGIN")
        c.execute("SELECT 1")
    return clients


def is_kept_waiting(p, name):
    with pytest.raises(psycopg.OperationalError, match="query_wait_timeout"):
        p.value("SELECT 1", name)


def test_an_administrator_at_a_full_host(pg, pgusher, closing):
    p = pgusher(databases=many(4, port=pg.port, user="app"), sections=hosts(pg, max_connections=5, admin_reserve=1), **NORMAL)
    fill(p, closing, ["m0", "m1", "m2"])
    for _ in range(2):
        admin = closing.enter_context(p.connect("m3", user="admin"))
        assert admin.execute("SELECT current_user").fetchone() == ("app",)
        with admin.transaction():
            assert admin.execute("SELECT 1").fetchone() == (1,)
            assert host(p)["used"] == 4
        wait_until(lambda: host(p)["used"] == 3, 10 * SLOW, "the place is free for the next")
    is_kept_waiting(p, "m3")
    closing.close()
    back_to_zero(p)


def test_an_administrator_goes_before_others_of_his_pool(pg, pgusher, closing):
    """Others of it wait already, and the pool has a claim in the queue."""
    p = pgusher(databases=many(4, port=pg.port, user="app"), sections=hosts(pg, max_connections=5, admin_reserve=1), **NORMAL)
    admin = closing.enter_context(p.connect("m3", user="admin"))
    other = p.connect("m3")
    assert other.execute("SELECT 1").fetchone() == (1,)
    p.console("RECONNECT m3")
    wait_until(lambda: host(p)["used"] == 0, 10 * SLOW, "its server is gone")
    fill(p, closing, ["m0", "m1", "m2"])
    other.pgconn.send_query(b"SELECT 1")
    wait_until(lambda: host(p)["waiting"] == 1, 10 * SLOW, "it waits")
    assert admin.execute("SELECT 1").fetchone() == (1,)
    assert other.pgconn.get_result().status == psycopg.pq.ExecStatus.FATAL_ERROR
    other.pgconn.finish()


def test_an_administrator_who_asks_nothing_leaves_nothing_to_others(pg, pgusher, closing):
    """What was opened to greet him is of admin_reserve, whoever else of his pool waits."""
    p = pgusher(databases=many(4, port=pg.port, user="app"), sections=hosts(pg, max_connections=5, admin_reserve=1),
                **{**NORMAL, "query_wait_timeout": 20 * SLOW})
    fill(p, closing, ["m0", "m1", "m2"])
    others = []
    thread = threading.Thread(target=lambda: others.append(p.connect("m3")))
    thread.start()
    wait_until(lambda: host(p)["waiting"] == 1, 10 * SLOW, "it waits to be greeted")
    admin = closing.enter_context(p.connect("m3", user="admin"))
    thread.join()
    p.change(query_wait_timeout=4 * SLOW)
    with contextlib.closing(others[0]) as other:
        with pytest.raises(psycopg.OperationalError, match="query_wait_timeout"):
            other.execute("SELECT 1")
    assert admin.execute("SELECT 1").fetchone() == (1,)


def test_an_administrator_whose_password_is_asked_for(pg, pgusher, closing):
    p = pgusher(databases=many(4, port=pg.port), sections=hosts(pg, max_connections=5, admin_reserve=1), auth_type="md5",
                admin_users="admin, app2", auth_user="app", auth_query="SELECT $1, 'app2-secret' WHERE $1 = 'app2'",
                userlist={"app2": None}, **NORMAL)
    fill(p, closing, ["m0", "m1", "m2"])
    assert p.value("SELECT current_user", "m3", user="app2") == "app2"


def test_a_tenant_whose_servers_log_in_as_an_administrator(pg, pgusher, closing):
    p = pgusher(databases={**many(3, port=pg.port), "m3": "{pg} dbname=t1 user=app2"}, admin_users="admin, app2",
                sections=hosts(pg, max_connections=5, admin_reserve=1), **NORMAL)
    fill(p, closing, ["m0", "m1", "m2"])
    is_kept_waiting(p, "m3")
    assert p.value("SELECT current_user", "m3", user="app2") == "app2"
