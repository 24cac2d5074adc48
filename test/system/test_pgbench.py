"""pgbench through the pooler: no error, whatever the protocol and the mode."""

import re

import pytest

from pooler import PEER


@pytest.fixture(scope="module")
def filled(postgres):
    from helpers import run
    run([f"{postgres.bindir}/pgbench", "-i", "-q", "-s", "1", "-h", postgres.host, "-p", str(postgres.port), "-U",
         "app", "shop"], timeout=60)
    return postgres


def bench(p, *args):
    done = p.pgbench(*args)
    found = re.search(r"number of transactions actually processed: (\d+)", done.stdout)
    assert found and int(found[1]) > 0, done.stdout
    assert "number of failed transactions: 0 " in done.stdout, done.stdout
    assert "ERROR" not in done.stdout and "error" not in done.stdout, done.stdout
    return int(found[1])


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_tpcb(filled, pgusher, mode, protocol):
    if PEER and PEER < (1, 21) and protocol == "prepared" and mode != "session":
        pytest.skip("PgBouncer can't: named statements in transaction mode")
    p = pgusher(pool_mode=mode, default_pool_size=8, max_client_conn=200)
    bench(p, "-c", 8, "-j", 2, "-t", 50, "-M", protocol)


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_select_in_statement_mode(filled, pgusher, protocol):
    if PEER and PEER < (1, 21) and protocol == "prepared":
        pytest.skip("PgBouncer can't: named statements in statement mode")
    p = pgusher(pool_mode="statement", default_pool_size=4)
    bench(p, "-S", "-c", 8, "-j", 2, "-t", 100, "-M", protocol)


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_sixty_four_clients_on_twenty_servers(filled, pgusher, protocol):
    if PEER and PEER < (1, 21) and protocol == "prepared":
        pytest.skip("PgBouncer can't: named statements in transaction mode")
    p = pgusher(pool_mode="transaction", default_pool_size=20, max_client_conn=200)
    bench(p, "-S", "-c", 64, "-j", 2, "-T", 3, "-M", protocol)
    # a thread per client: pgbench's PQprepare blocks its thread, and with it the clients that hold the servers
    bench(p, "-c", 64, "-j", 64 if protocol == "prepared" else 2, "-t", 10, "-M", protocol)
    assert len(p.servers("shop")) <= 20


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_connection_for_each_transaction(filled, pgusher, mode):
    p = pgusher(pool_mode=mode, default_pool_size=8, max_client_conn=200)
    assert bench(p, "-S", "-C", "-c", 8, "-j", 2, "-t", 50) == 400
    assert not p.clients("shop")


def test_over_the_unix_socket(filled, pgusher):
    p = pgusher(pool_mode="transaction")
    p.host = str(p.dir)
    bench(p, "-S", "-c", 8, "-t", 100)


def test_pipelines(filled, pgusher):
    """pgbench's own pipelines: many extended queries, then the answers."""
    p = pgusher(pool_mode="transaction", default_pool_size=4)
    script = p.dir / "pipeline.sql"
    script.write_text("\\startpipeline\n" + "SELECT abalance FROM pgbench_accounts WHERE aid = 1;\n" * 10
                      + "\\endpipeline\n")
    bench(p, "-f", script, "-c", 8, "-t", 30, "-M", "extended")
    if not PEER or PEER >= (1, 21):
        bench(p, "-f", script, "-c", 8, "-t", 30, "-M", "prepared")
