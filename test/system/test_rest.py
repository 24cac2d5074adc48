"""Tenants that nobody uses any more: their pools go, and then they do, but not what they have counted."""

import pytest

from helpers import wait_until

pytestmark = pytest.mark.ours("pools of templates that go")


@pytest.fixture
def templated(pgusher):
    def start(**settings):
        return pgusher(pool_mode="transaction", workers=2, server_idle_timeout=1, databases={},
                       sections={"tenants": {"*": "{pg} dbname=shop"}}, **settings)
    return start


def rows(p, command, key, name):
    return [r for r in p.console(command) if r[key] == name]


def queries(p, tenant):
    (row,) = rows(p, "SHOW STATS", "database", tenant)
    return int(row["total_query_count"])


def test_counters_outlive_the_pool(templated):
    p = templated(pool_idle_timeout=1, stats_period=1)
    for n in range(1, 3):
        p.value("SELECT 1", "a")
        assert rows(p, "SHOW POOLS", "database", "a")
        wait_until(lambda: not rows(p, "SHOW POOLS", "database", "a"), 20)
        assert queries(p, "a") == n
    assert p.value("SELECT 1", "b") == 1
    assert queries(p, "a") == 2


def test_averages_end_with_the_traffic(templated):
    p = templated(stats_period=2)
    for _ in range(10):
        p.value("SELECT 1", "a")

    def average():
        return int(rows(p, "SHOW STATS", "database", "a")[0]["avg_query_count"])
    wait_until(lambda: average() > 0, 10)
    wait_until(lambda: average() == 0, 10)
    assert queries(p, "a") == 10


def test_a_tenant_at_rest_is_forgotten(templated):
    """It rests long before; who is paused meanwhile stays."""
    p = templated(pool_idle_timeout=1, stats_period=1, autodb_idle_timeout=6)
    for tenant in ("a", "b"):
        p.value("SELECT 1", tenant)
    p.console("PAUSE b")
    wait_until(lambda: not rows(p, "SHOW STATS", "database", "a"), 30)
    assert rows(p, "SHOW STATS", "database", "b")
    p.console("RESUME b")
    assert p.value("SELECT 1", "b") == 1


def test_a_reload_ends_one_at_rest(templated):
    p = templated(pool_idle_timeout=1, stats_period=1)
    p.value("SELECT 1", "a")
    wait_until(lambda: not rows(p, "SHOW POOLS", "database", "a"), 20)
    p.sections = {}
    p.write()
    p.console("RELOAD")
    wait_until(lambda: not rows(p, "SHOW STATS", "database", "a"), 10)
