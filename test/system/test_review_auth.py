"""What somebody could try who has read the code: logins that meet a RELOAD, floods before any password, memory."""

import os
import re
import time

import psycopg
import pytest

import wire
from certs import careless
from helpers import MEMORY_COUNTS, SLOW, wait_until
from pooler import PASSWORDS, PEER
from postgres import ROLES, SUPERUSER
from test_tls_client import tls

pytestmark = pytest.mark.ours("it is no review of somebody else's house")

NOT_IN_FILE = {**dict.fromkeys(ROLES), SUPERUSER: ""}

AUTH_ROW = wire.message("2")  # BindComplete


def asked(name, secret):
    """A behaviour: answers auth_query once the test lets it, with that row."""
    def behave(c):
        if not c.accept():
            return
        while True:
            if c.receive(timeout=60).kind == "S":
                c.server.stall(30)
                c.send(wire.message("1"), wire.message("2"), wire.data_row(name, secret), wire.command_complete("SELECT 1"),
                       wire.ready())
    return behave


def start_lookup(p, server, database, user):
    c = p.wire()
    c.start(database, user)
    wait_until(lambda: server.connections, 5, "auth_query is asked")
    return c


# ---- between two steps of a login, the rules change ----

def test_any_wants_a_forced_user_though_it_came_meanwhile(pgusher, fake_server):
    """A user is being looked up when auth_type becomes any, which lets in only as somebody that the operator named."""
    server = fake_server(asked("app2", "x"))
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist=NOT_IN_FILE, auth_dbname="keys", workers=1,
                databases={"keys": server.address})
    with start_lookup(p, server, "shop", "app2") as c:
        p.change(auth_type="any")
        server.release.set()
        m = c.authenticate("app2", "x")
        assert m.kind == "E", "let in without a forced user"
        assert c.auth_codes == []
