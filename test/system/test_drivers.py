"""Drivers of other languages log in with SCRAM over TLS, check who we are, and run prepared queries."""

import json
import os
import shutil
from pathlib import Path

import pytest

from helpers import HERE, make_dir, remove_dir, run
from pooler import PASSWORDS
from test_tls_client import tls, trusting

PROGRAMS = HERE / "drivers"
GO = Path("/usr/share/gocode")
JDBC = next((p for p in (Path("/usr/share/java/postgresql.jar"), Path("/usr/share/java/postgresql-jdbc4.jar"))
             if p.exists()), None)
EXPECTED = "sum 11 user app"


@pytest.fixture(scope="module")
def secure(module_pgusher, certs):
    """TLS or nothing, SCRAM or nothing; an RSA certificate, as most have."""
    return module_pgusher(auth_type="scram-sha-256", pool_mode="transaction", workers=2,
                          ignore_startup_parameters="extra_float_digits",  # JDBC and lib/pq send it
                          **tls(certs, "require", certs.local("rsa")))


def needs(what, condition, package):
    if not condition:
        pytest.skip(f"{what} is missing (Debian: apt install {package})")


# ---- libpq ----

@pytest.mark.parametrize("binding", ["prefer", pytest.param("require", marks=pytest.mark.ours("no channel binding"))])
def test_psql(secure, certs, binding):
    env = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(certs.ca.cert), "PGSSLCERT": "/nonexistent",
           "PGCHANNELBINDING": binding, "PGHOSTADDR": secure.host}
    got = secure.psql("SELECT 11, current_user", host="localhost", env=env)
    assert got.stdout.strip() == "11|app"


@pytest.mark.parametrize("binding", ["prefer", pytest.param("require", marks=pytest.mark.ours("no channel binding"))])
def test_psycopg(secure, certs, binding):
    with secure.connect(**trusting(certs, channel_binding=binding)) as c:
        for i in range(10):
            row = c.execute("SELECT %s::int + 1, current_user", (i,), prepare=True).fetchone()
            assert row == (i + 1, "app")


@pytest.mark.parametrize("binding", ["prefer", pytest.param("require", marks=pytest.mark.ours("no channel binding"))])
def test_psycopg2(secure, certs, binding):
    psycopg2 = pytest.importorskip("psycopg2", reason="psycopg2 is missing (Debian: apt install python3-psycopg2)")
    c = psycopg2.connect(**{k: str(v) for k, v in secure.parameters(
        "shop", "app", **trusting(certs, channel_binding=binding)).items()})
    try:
        cursor = c.cursor()
        cursor.execute("SELECT %s + 1, current_user", (10,))
        assert cursor.fetchone() == (11, "app")
        c.commit()
    finally:
        c.close()


# ---- Java ----

@pytest.mark.ours("no prepared statements", since=(1, 21))
def test_jdbc(secure, certs):
    needs("java", shutil.which("java"), "default-jdk-headless")
    needs("the JDBC driver", JDBC, "libpostgresql-jdbc-java")
    url = (f"jdbc:postgresql://localhost:{secure.port}/shop?sslmode=verify-full&sslrootcert={certs.ca.cert}"
           "&prepareThreshold=3")
    got = run(["java", "-XX:TieredStopAtLevel=1", "-cp", JDBC, PROGRAMS / "Single.java", url, "app", PASSWORDS["app"]])
    assert EXPECTED in got.stdout


def test_jdbc_checks_who_we_are(secure, certs):
    """The test above says something only if this fails."""
    needs("java", shutil.which("java"), "default-jdk-headless")
    needs("the JDBC driver", JDBC, "libpostgresql-jdbc-java")
    url = f"jdbc:postgresql://localhost:{secure.port}/shop?sslmode=verify-full&sslrootcert={certs.other_ca.cert}"
    got = run(["java", "-XX:TieredStopAtLevel=1", "-cp", JDBC, PROGRAMS / "Single.java", url, "app", "x"], check=False)
    assert got.returncode != 0 and "certifi" in got.stdout


# ---- Go ----

@pytest.mark.ours("no prepared statements", since=(1, 21))
@pytest.mark.timeout(150)
def test_go(secure, certs):
    """lib/pq, built from the source that Debian has of it."""
    needs("go", shutil.which("go"), "golang-go")
    needs("lib/pq", (GO / "src/github.com/lib/pq").exists(), "golang-github-lib-pq-dev")
    folder = make_dir("pgu-go-")
    try:
        run(["go", "build", "-o", folder / "pq", PROGRAMS / "pq.go"], cwd=folder, timeout=120,
            env={"PATH": os.environ["PATH"], "GO111MODULE": "off", "GOPATH": str(GO), "CGO_ENABLED": "0",
                 "GOCACHE": str(folder / "cache"), "HOME": str(folder)})
        for ca, fine in ((certs.ca, True), (certs.other_ca, False)):
            got = run([folder / "pq", f"host=localhost port={secure.port} user=app password={PASSWORDS['app']}"
                       f" dbname=shop sslmode=verify-full sslrootcert={ca.cert}"], check=False,
                      env={"PATH": os.environ["PATH"], "HOME": str(folder)})
            assert (got.returncode == 0) == fine, got.stdout
            assert (EXPECTED if fine else "x509") in got.stdout
    finally:
        remove_dir(folder)


# ---- JavaScript ----

def node_path():
    """Where node finds its pg: Debian's folder, and those of npm."""
    return ":".join(filter(None, [os.environ.get("NODE_PATH"), "/usr/share/nodejs", "/usr/lib/nodejs",
                                  "/usr/local/lib/node_modules", "/usr/lib/node_modules"]))


@pytest.mark.ours("no prepared statements", since=(1, 21))
@pytest.mark.parametrize("binding", [False, pytest.param(True, marks=pytest.mark.ours("no channel binding"))])
def test_node(secure, certs, binding):
    needs("node", shutil.which("node"), "nodejs")
    env = {"PATH": os.environ["PATH"], "NODE_PATH": node_path()}
    needs("node-postgres", run(["node", "-e", "require('pg')"], check=False, env=env).returncode == 0,
          "node-pg, or npm install pg")
    options = {"host": "localhost", "port": secure.port, "user": "app", "password": PASSWORDS["app"],
               "database": "shop", "enableChannelBinding": binding}
    for ca, fine in ((certs.ca, True), (certs.other_ca, False)):
        got = run(["node", PROGRAMS / "single.js", json.dumps(options), ca.cert], check=False, env=env)
        assert (got.returncode == 0) == fine, got.stdout
        assert (EXPECTED if fine else "certificate") in got.stdout
