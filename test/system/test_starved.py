"""Who waits at a full host is not kept from it by idle connections of its own tenant: of another user, of the pooler's
own questions, of another worker."""

import contextlib
import time

import pytest

from helpers import SLOW, wait_until
from pooler import PASSWORDS
from postgres import SUPERUSER
from test_hosts import Crowd, back_to_zero, ends_clean, host, hosts, many
from test_spread import wait_parts

pytestmark = pytest.mark.ours("[hosts]")

NORMAL = dict(pool_mode="transaction", query_wait_timeout=15 * SLOW, server_login_retry=30)


def all_served(crowd, names, times=3):
    """Each so many times more, from now on, and nobody was refused."""
    before = dict(crowd.served)
    wait_until(lambda: crowd.failures or all(crowd.served.get(n, 0) >= before.get(n, 0) + times for n in names), 60 * SLOW,
               f"all are served: {crowd.served}")
    assert not crowd.failures, crowd.failures[:3]


@pytest.fixture
def closing():
    with contextlib.ExitStack() as stack:
        yield stack


def test_another_user_of_the_tenant_is_idle(pg, pgusher, closing):
    """Everybody has the one place that is everybody's, and does nothing with it."""
    p = pgusher(databases=many(3, port=pg.port), sections=hosts(pg, max_connections=4), **NORMAL)
    for i in range(3):
        assert closing.enter_context(p.connect(f"m{i}")).execute("SELECT 1").fetchone()
    assert host(p)["used"] == 3
    assert closing.enter_context(p.connect("m0", user="app2")).execute("SELECT current_user").fetchone() == ("app2",)


@pytest.mark.parametrize("least", [0, 1])
@pytest.mark.parametrize("pause", [0, 0.2])
def test_two_users_of_each_tenant_by_turns(pg, pgusher, closing, least, pause):
    """Those that are always busy, too, give way to each other."""
    p = pgusher(databases=many(3, port=pg.port), sections=hosts(pg, max_connections=4, min=least), workers=2, **NORMAL)
    names = [(f"m{i}", user) for i in range(3) for user in ("app", "app2")]
    clients = {name: closing.enter_context(p.connect(*name)) for name in names}

    def ask(name):
        assert clients[name].execute("SELECT current_user").fetchone() == (name[1],)
        time.sleep(pause)

    crowd = Crowd()
    for name in names:
        crowd.add(name, lambda name=name: ask(name))
    with crowd:
        all_served(crowd, names)
    assert host(p)["used"] <= 3
    for c in clients.values():
        c.close()
    back_to_zero(p)
    ends_clean(p)


def test_the_poolers_own_question_was_the_tenants_place(pg, pgusher, closing):
    """One tenant more than there are places: who asks auth_query first gets no second one for it."""
    nobody = dict.fromkeys(PASSWORDS)
    p = pgusher(databases=many(4, port=pg.port), sections=hosts(pg, max_connections=4), auth_type="scram-sha-256",
                auth_user=SUPERUSER, userlist={**nobody, SUPERUSER: "", "admin": PASSWORDS["admin"]},
                auth_query="SELECT usename, passwd FROM pg_shadow WHERE usename = $1", **NORMAL)
    for _ in range(2):
        for i in range(4):
            c = closing.enter_context(p.connect(f"m{i}", password=PASSWORDS["app"]))
            assert c.execute("SELECT current_user").fetchone() == ("app",)


@pytest.mark.parametrize("size", [4, "auto"])
def test_another_worker_of_the_tenant_is_idle(pg, pgusher, closing, size):
    """Its parts have one place together."""
    p = pgusher(databases=many(2, port=pg.port, pool_size=size), sections=hosts(pg, max_connections=3), workers=2,
                tenant_workers=2, users={"app": "tenants=*"}, **NORMAL)
    clients = [closing.enter_context(p.connect(f"m{i}")) for i in range(2)]
    wait_parts(p, 2, "m0")
    for _ in range(4):
        clients.append(closing.enter_context(p.connect("m0")))
        assert clients[-1].execute("SELECT 1").fetchone() == (1,)
    for c in clients:
        assert c.execute("SELECT 1").fetchone() == (1,)
    clients[1].execute("SET pgusher.tenant = 'm0'")
    assert clients[1].execute("SELECT 1").fetchone() == (1,)


def test_slow_clients_on_two_workers(pg, pgusher, closing):
    p = pgusher(databases=many(3, port=pg.port), sections=hosts(pg, max_connections=4), workers=2, tenant_workers=2, **NORMAL)
    clients = {}

    def ask(name):
        if name not in clients:
            clients[name] = closing.enter_context(p.connect(name[0]))
        assert clients[name].execute("SELECT 1").fetchone() == (1,)
        time.sleep(0.2)

    names = [(f"m{i}", n) for i in range(3) for n in range(4)]
    crowd = Crowd()
    for name in names:
        crowd.add(name, lambda name=name: ask(name))
    with crowd:
        all_served(crowd, names)
        for i in range(3):
            wait_parts(p, 2, f"m{i}")
        all_served(crowd, names)
    assert host(p)["used"] <= 3
    for c in clients.values():
        c.close()
    back_to_zero(p)
    ends_clean(p)
