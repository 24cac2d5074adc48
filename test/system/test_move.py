"""Clients are accepted by any worker and served by their tenant's."""

import threading

import pytest

import wire
from helpers import wait_until

TENANTS = ["shop", "mill", "forge"] + [f"t{i}" for i in range(1, 9)]


@pytest.fixture(scope="module", params=[1, 2, 4])
def workers(request, module_pgusher):
    return module_pgusher(pool_mode="transaction", default_pool_size=1, workers=request.param, max_client_conn=500)


def test_every_tenant_every_client(workers):
    """Ten connections per tenant are spread over the workers by the kernel; all see their own database."""
    p = workers
    clients = [(t, p.wire(t)) for _ in range(10) for t in TENANTS]
    for round_ in range(3):
        for tenant, c in clients:
            c.send(wire.query(f"SELECT tenant, {round_} FROM who"))
        for tenant, c in clients:
            assert c.until_ready()[1].row == [tenant, str(round_)]
    assert len([r for r in p.console("SHOW CLIENTS") if r["database"] in TENANTS]) == len(clients)
    for row in p.console("SHOW POOLS"):
        if row["database"] in TENANTS and row["user"] == "app":
            assert row["cl_active"] == 10
    # one pool per tenant, however many workers: its size holds
    for t in TENANTS:
        assert len(p.servers(t)) == 1
    for _, c in clients:
        c.close()
    wait_until(lambda: not [r for r in p.console("SHOW CLIENTS") if r["database"] in TENANTS])


def test_bytes_that_came_with_the_startup_packet_move_along(workers):
    """An eager client sends its first query before it has heard anything."""
    for tenant in TENANTS:
        with workers.wire() as c:
            c.send(wire.startup({"user": "app", "database": tenant}), wire.query("SELECT tenant FROM who"),
                   wire.parse("", "SELECT 2"), wire.bind(), wire.execute(), wire.SYNC)
            assert c.authenticate("app", "").kind == "Z"
            assert c.until_ready()[1].row == [tenant]
            assert wire.kinds(c.until_ready()) == "12DCZ"


def test_clients_that_leave_while_they_move(workers):
    for i in range(200):
        c = workers.wire()
        c.start(TENANTS[i % len(TENANTS)], "app")
        if i % 3 == 0:
            c.reset()
        elif i % 3 == 1:
            c.send(wire.query("SELECT 1"), wire.TERMINATE)
            c.close()
        else:
            c.close()
    wait_until(lambda: not [r for r in workers.console("SHOW CLIENTS") if r["database"] in TENANTS])
    for t in TENANTS:
        assert workers.value("SELECT tenant FROM who", t) == t


def test_all_at_once(workers):
    failures = []

    def work(tenant, k):
        try:
            for i in range(5):
                with workers.connect(tenant) as c:
                    for j in range(5):
                        got = c.execute("SELECT tenant, %s FROM who", [f"{k}-{i}-{j}"]).fetchone()
                        assert got == (tenant, f"{k}-{i}-{j}")
        except Exception as e:  # noqa: BLE001
            failures.append((tenant, e))
    threads = [threading.Thread(target=work, args=(t, k)) for t in TENANTS for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures


def test_console_is_reached_from_every_worker(workers):
    for _ in range(20):
        with workers.wire("pgbouncer", "admin") as c:
            assert wire.kinds(c.ask(wire.query("SHOW VERSION"))) == "TDCZ"


def test_total_of_clients_spans_workers(pgusher):
    p = pgusher(pool_mode="transaction", workers=4, max_client_conn=20)
    kept = [p.wire(TENANTS[i % len(TENANTS)]) for i in range(20)]
    with p.wire() as c:
        m = c.login("shop", "app")
        assert m.kind == "E"
    for c in kept:
        c.close()
    wait_until(lambda: not [r for r in p.console("SHOW CLIENTS") if r["database"] in TENANTS])
    assert p.value("SELECT 1") == 1
