"""Which tenant a client asks for: database, user.tenant, SNI, options."""

import ssl

import psycopg
import pytest

import wire

pytestmark = pytest.mark.ours("routes")

ALL = "options,sni,user,database"


@pytest.fixture(scope="module")
def routed(module_pgusher, certs):
    return module_pgusher(
        pool_mode="transaction", workers=2, tenant_route=ALL, tenant_sni_suffix=".db.example.com", auth_type="scram-sha-256",
        client_tls_sslmode="allow", client_tls_cert_file=certs.server.cert, client_tls_key_file=certs.server.key,
        databases={"shop": None, "mill": None, "forge": "{pg}"},
        sections={"tenants": {"*": "{pg} dbname={tenant}"}}, userlist={"app": "app-secret"})


def who(p, **kwargs):
    kwargs.setdefault("password", "app-secret")
    with p.connect(**kwargs) as c:
        return c.execute("SELECT tenant FROM who").fetchone()[0]


def test_database(routed):
    assert who(routed, dbname="shop") == "shop"
    assert who(routed, dbname="forge") == "forge"


def test_user_and_tenant(routed):
    assert who(routed, dbname="app", user="app.shop") == "shop"
    row = next(r for r in routed.console("SHOW POOLS") if r["database"] == "shop")
    assert row["user"] == "app"


def test_options(routed):
    assert who(routed, dbname="app", options="-c pgusher.tenant=mill") == "mill"
    with routed.wire() as c:
        c.send(wire.startup({"user": "app", "database": "app", "tenant": "mill"}))
        assert c.authenticate("app", "app-secret").kind == "Z"
        c.send(wire.query("SELECT tenant FROM who"))
        assert c.until_ready()[1].row == ["mill"]


def test_host_name(routed):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with routed.wire(tls=context, name="Shop.db.example.com") as c:
        c.send(wire.startup({"user": "app", "database": "app"}))
        assert c.authenticate("app", "app-secret").kind == "Z"
        c.send(wire.query("SELECT tenant FROM who"))
        assert c.until_ready()[1].row == ["shop"]


def test_what_databases_there_are_is_no_strangers_business(routed):
    """That a line of [databases] contradicts is told to who has proved a password only."""
    for user in ("app", "nobody"):
        told = [routed.refused(dbname=dbname, user=user, password="wrong", options="-c pgusher.tenant=mill")
                for dbname in ("forge", "nowhere")]
        assert told[0] == told[1] and told[0]["C"] == "28P01"


@pytest.mark.parametrize("how", [
    {"user": "app.shop", "options": "-c pgusher.tenant=mill"},
    {"dbname": "forge", "options": "-c pgusher.tenant=mill"},
])
def test_contradictions_are_refused(routed, how):
    how = {"dbname": "app", "password": "app-secret", **how}
    assert "different tenants" in str(routed.refused(**how))


def test_startup_parameters_that_differ(routed):
    for tenants, code in (("mill", "shop"), "28000"), (("mill", "mill"), None):
        with routed.wire() as c:
            c.send(wire.startup({"user": "app", "database": "app", "tenant": tenants[0],
                                 "options": f"-c pgusher.tenant={tenants[1]}"}))
            first = c.receive()
            assert (first.code if first.kind == "E" else None) == code


def test_names_in_lower_case(pgusher):
    """With tenant_case = lower the console takes names as clients' are taken."""
    p = pgusher(tenant_case="lower", tenant_route=ALL, databases={"shop": None, "mill": None, "Forge": "{pg} dbname=forge"},
                sections={"tenants": {"*": "{pg} dbname={tenant}"}})
    assert p.value("SELECT 1", "SHOP") == 1
    with p.wire() as c:
        c.send(wire.startup({"user": "app", "database": "shop", "tenant": "SHOP", "options": "-c pgusher.tenant=Shop"}))
        assert c.receive().kind == "R"
    p.console("DISABLE Shop")
    assert "disabled" in str(p.refused(dbname="SHOP")) and p.console("SHOW TENANT SHOP")[0]["state"] == "disabled"
    p.console("ENABLE TENANT SHOP")
    p.console("BAN 127.0.0.0/8 AT Mill")
    assert p.refused(dbname="MILL") and p.value("SELECT 1", "shop") == 1
    assert p.console("SHOW BANS")[0]["tenant"] == "mill"
    p.console("DISABLE Forge")
    assert "disabled" in str(p.refused(dbname="Forge"))


@pytest.mark.parametrize("name", ["../etc", "a b", "x'y", "-x"])
def test_what_is_no_name_is_refused(routed, name):
    escaped = name.replace("\\", "\\\\").replace(" ", "\\ ")
    assert "no name of a tenant" in str(routed.refused(dbname="app", password="app-secret",
                                                       options=f"-c pgusher.tenant={escaped}"))


def test_strangers_learn_nothing(routed):
    """A tenant that is not there is told to nobody who has not proved a password."""
    there = str(routed.refused(dbname="shop", password="wrong"))
    nowhere = str(routed.refused(dbname="nowhere", password="wrong"))
    assert there.replace("shop", "?") == nowhere.replace("nowhere", "?")


def test_by_default_the_others_mean_nothing(pgusher):
    p = pgusher(pool_mode="transaction")
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        p.connect(options="-c pgusher.tenant=mill")
    assert p.value("SELECT tenant FROM who", dbname="shop") == "shop"


def test_fallback(pgusher):
    p = pgusher(pool_mode="transaction", tenant_route="options", tenant_fallback="mill")
    assert who(p, dbname="anything", password="x") == "mill"
