"""Fixtures: `pg`, a real PostgreSQL, and `pgusher`, which starts the program under test as often as a test wants."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pooler  # noqa: E402
from certs import Certificates  # noqa: E402
from postgres import Postgres  # noqa: E402
from wire import FakeServer  # noqa: E402


def pytest_report_header():
    return f"binary under test: {pooler.EXE} " + (f"(PgBouncer {pooler.PEER})" if pooler.PEER else "(ours)")


def pytest_collection_modifyitems(items):
    """With a PgBouncer under test, leave out what it can't do; with TLS everywhere, what knows that there is none."""
    for item in items:
        if pooler.TLS and item.get_closest_marker("plain"):
            item.add_marker(pytest.mark.skip(reason="says what is so without TLS"))
    if pooler.PEER is None:
        return
    for item in items:
        for mark in item.iter_markers("ours"):
            since = mark.kwargs.get("since")
            if since is None or pooler.PEER < since:
                item.add_marker(pytest.mark.skip(reason="PgBouncer can't: " + mark.args[0]))


@pytest.fixture(scope="session")
def postgres():
    server = Postgres(certificate=pooler.TLS.server if pooler.TLS else None)
    yield server
    server.close()


@pytest.fixture
def pg(postgres):
    """A running PostgreSQL; a test may stop it, the next one finds it started again."""
    if not postgres.alive:
        postgres.start()
    return postgres


@pytest.fixture(scope="session")
def certs():
    made = Certificates()
    yield made
    made.close()


def starter(pg, kept):
    def start(**kwargs):
        p = pooler.Pooler(kwargs.pop("pg", pg), **kwargs)
        kept.append(p)
        return p
    return start


def close_all(kept):
    failures = []
    for thing in kept:
        try:
            thing.close()
        except AssertionError as e:
            failures.append(str(e))
    assert not failures, "\n".join(failures)


@pytest.fixture
def pgusher(pg):
    """Start the program under test: pgusher(pool_mode="transaction", databases={...}, ...)."""
    kept = []
    yield starter(pg, kept)
    close_all(kept)


@pytest.fixture(scope="module")
def module_pgusher(postgres):
    """The same for instances that the tests of a file share."""
    kept = []
    yield starter(postgres, kept)
    close_all(kept)


@pytest.fixture
def fake_server():
    """Start a scripted server: fake_server(behaviour)."""
    kept = []

    def start(behaviour=None, **kwargs):
        server = FakeServer(behaviour, **kwargs)
        kept.append(server)
        return server
    yield start
    close_all(kept)
