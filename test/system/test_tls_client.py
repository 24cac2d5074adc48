"""TLS between applications and us: modes, certificates on both sides, host names, renewal, and what is refused."""

import re
import ssl
import subprocess
import warnings

import psycopg
import pytest

import wire
from certs import careless, verifying
from helpers import SLOW, make_dir, remove_dir, run
from pooler import PASSWORDS, PEER


def tls(certs, mode="require", certificate=None, ca=None, **more):
    """Settings for TLS with clients."""
    certificate = certificate or certs.server
    settings = {"client_tls_sslmode": mode, "client_tls_cert_file": certificate.cert,
                "client_tls_key_file": certificate.key}
    if ca or mode.startswith("verify"):
        settings["client_tls_ca_file"] = (ca or certs.ca).cert
    return {**settings, **more}


def trusting(certs, mode="verify-full", client=None, **more):
    """How libpq speaks TLS; client: a certificate to show."""
    shown = {"sslcert": client.cert, "sslkey": own_key(client)} if client else {"sslcert": "/nonexistent"}
    return {"sslmode": mode, "sslrootcert": certs.ca.cert, "host": "localhost", "hostaddr": "127.0.0.1", **shown,
            **more}


def own_key(certificate):
    """libpq wants a key that is root's or ours, and for nobody else."""
    mine = certificate.key.with_suffix(".mine")
    if not mine.exists():
        mine.write_bytes(certificate.key.read_bytes())
        mine.chmod(0o600)
    return mine


@pytest.fixture
def folder():
    path = make_dir("pgu-tls-")
    yield path
    remove_dir(path)


def s_client(p, *args, stdin="", name=None):
    """What the openssl program says of a handshake with us."""
    done = subprocess.run(["openssl", "s_client", "-starttls", "postgres", "-connect", f"{p.host}:{p.port}",
                           *(["-servername", name] if name else []), *map(str, args)],
                          input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=20 * SLOW)
    return done.stdout


def shown_certificate(p, name="localhost"):
    with p.wire(tls=careless(), name=name) as c:
        return c.sock.getpeercert(True)


def told(error):
    return str(error.value)


# ---- modes ----

# client_tls_sslmode, what the client does -> is it let in?
MODES = {
    ("disable", "plain"): True, ("disable", "tls"): False,
    ("allow", "plain"): True, ("allow", "tls"): True,
    ("prefer", "plain"): True, ("prefer", "tls"): True,
    ("require", "plain"): False, ("require", "tls"): True,
    ("verify-ca", "plain"): False, ("verify-ca", "tls"): False, ("verify-ca", "tls with certificate"): True,
    ("verify-full", "plain"): False, ("verify-full", "tls"): False, ("verify-full", "tls with certificate"): True,
    ("verify-full", "tls with foreign certificate"): False,
    ("require", "tls with certificate"): True, ("require", "tls with foreign certificate"): True,
}


@pytest.fixture(scope="module", params=["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
def by_mode(request, module_pgusher, certs):
    p = module_pgusher(auth_type="md5", **tls(certs, request.param))
    p.mode = request.param
    return p


@pytest.mark.parametrize("way", ["plain", "tls", "tls with certificate", "tls with foreign certificate"])
def test_mode(by_mode, certs, way):
    expected = MODES.get((by_mode.mode, way))
    if expected is None:
        pytest.skip("says nothing new")
    if PEER and by_mode.mode == "require" and "certificate" in way:
        pytest.skip("PgBouncer asks for certificates always")
    client = {"tls with certificate": certs.client("app"),
              "tls with foreign certificate": certs.client("app", certs.other_ca)}.get(way)
    options = {"sslmode": "disable"} if way == "plain" else trusting(certs, client=client)
    if expected:
        with by_mode.connect(**options) as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
            assert c.pgconn.ssl_in_use == (way != "plain")
    else:
        with pytest.raises(psycopg.OperationalError):
            by_mode.connect(**options)


def test_plain_is_told_that_tls_is_wanted(by_mode):
    if by_mode.mode in ("disable", "allow", "prefer"):
        pytest.skip("plain is fine there")
    got = by_mode.refused("shop")
    assert re.search("SSL|TLS", got["M"])
    assert PEER or got["C"] == "28000"


def test_psql(by_mode, certs):
    if by_mode.mode not in ("prefer", "require"):
        pytest.skip("one plain-or-TLS and one TLS-only mode are enough")
    env = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(certs.ca.cert), "PGSSLCERT": "/nonexistent",
           "PGHOSTADDR": "127.0.0.1"}
    got = by_mode.psql(r"\conninfo", env=env, host="localhost")
    assert "SSL connection (protocol: TLSv1.3" in got.stdout


def test_name_and_authority_are_the_clients_to_check(by_mode, certs):
    if by_mode.mode != "require":
        pytest.skip("once is enough")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        by_mode.connect(**trusting(certs, sslrootcert=certs.other_ca.cert))
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        by_mode.connect(**trusting(certs, host="elsewhere.example"))


def test_console_shows_tls(by_mode, certs):
    if by_mode.mode != "prefer":
        pytest.skip("once is enough")
    since = len(by_mode.log())
    with by_mode.connect("shop", **trusting(certs)), by_mode.connect("mill"):
        assert re.fullmatch(r"TLSv1\.3/[\w-]+/?[\w-]*", by_mode.clients("shop")[0]["tls"])
        assert by_mode.clients("mill")[0]["tls"] == ""
    by_mode.wait_log(r"tls=TLSv1\.3/TLS_", since)


def test_console_over_tls(by_mode, certs):
    if by_mode.mode not in ("require", "prefer"):
        pytest.skip("once is enough")
    assert by_mode.console("SHOW VERSION", **trusting(certs))


def test_unix_socket_stays_plain(by_mode):
    """Nobody listens in there: an SSLRequest is declined, and plain is fine, whatever the mode."""
    if by_mode.mode not in ("require", "verify-full"):
        pytest.skip("where TCP wants TLS")
    with by_mode.wire(host=by_mode.dir) as c:
        c.send(wire.ssl_request())
        assert c.read(1) == b"N"
        assert c.login("shop", "app", PASSWORDS["app"]).kind == "Z"


def test_any_wish_for_gss_is_declined(by_mode):
    with by_mode.wire() as c:
        c.send(wire.gssenc_request())
        assert c.read(1) == b"N"
        c.send(wire.ssl_request())
        assert c.read(1) == (b"N" if by_mode.mode == "disable" else b"S")


# ---- the client's certificate ----

@pytest.fixture(scope="module")
def by_cert(module_pgusher, certs):
    return module_pgusher(auth_type="cert", userlist={"app": "", "app2": ""},
                          console=trusting(certs, client=certs.client("admin")), **tls(certs, "verify-full"))


def test_cert(by_cert, certs):
    with by_cert.connect(password=None, **trusting(certs, client=certs.client("app"))) as c:
        assert c.execute("SELECT current_user").fetchone() == ("app",)


def test_cert_of_another(by_cert, certs):
    with by_cert.logs(r"closing because: .*(name|certificate)"):
        with pytest.raises(psycopg.OperationalError) as e:
            by_cert.connect(user="app2", password=None, **trusting(certs, client=certs.client("app")))
    assert "certificate" in told(e) or "authentication failed" in told(e)


def test_cert_of_nobody(by_cert, certs):
    with pytest.raises(psycopg.OperationalError):
        by_cert.connect(user="ghost", password=None, **trusting(certs, client=certs.client("ghost")))


def test_cert_of_another_authority(by_cert, certs):
    with by_cert.logs(r"closing because: .*TLS|certificate verify failed|unable to get local issuer|unknown ca"):
        with pytest.raises(psycopg.OperationalError):
            by_cert.connect(password=None, **trusting(certs, client=certs.client("app", certs.other_ca)))


def test_cert_that_has_expired(by_cert, certs):
    expired = certs.once("expired client", lambda: certs.ca.issue("app", days=-1))
    with pytest.raises(psycopg.OperationalError):
        by_cert.connect(password=None, **trusting(certs, client=expired))


def test_cert_needs_verification(pgusher, certs):
    """auth_type = cert where certificates are not asked for is a mistake that is told at the start."""
    p = pgusher(auth_type="cert", start=False, **tls(certs, "require"))
    p.process = p.spawn()
    assert p.wait_exit() == 1
    assert re.search(r"client_tls_sslmode|verify", p.output())
    p.process = None


@pytest.mark.ours("no maps", since=(1, 23))
def test_cert_with_a_map(pgusher, certs, folder):
    hba, ident = folder / "hba", folder / "ident"
    hba.write_text("local all all trust\nhostssl all all 127.0.0.1/32 cert map=staff\n")
    ident.write_text("# map  certificate  role\nstaff  \"Jane Doe\"  app\nstaff  \"Jane Doe\"  app2\nother joe app\n")
    p = pgusher(auth_type="hba", auth_hba_file=hba, auth_ident_file=ident, **tls(certs, "verify-full"))
    jane = trusting(certs, client=certs.client("Jane Doe"))
    for user in ("app", "app2"):
        with p.connect(user=user, password=None, **jane) as c:
            assert c.execute("SELECT current_user").fetchone() == (user,)
    with pytest.raises(psycopg.OperationalError):
        p.connect(user="md5user", password=None, **jane)
    with pytest.raises(psycopg.OperationalError):  # another map's entry
        p.connect(user="app", password=None, **trusting(certs, client=certs.client("joe")))
    with pytest.raises(psycopg.OperationalError):  # with a map, one's own name is no key
        p.connect(user="app", password=None, **trusting(certs, client=certs.client("app")))


# ---- names and protocols ----

@pytest.mark.ours("one certificate for all names")
def test_certificate_by_host_name(pgusher, certs):
    """A tenant's own name shows its own certificate; everybody else sees the usual one."""
    acme, wild = certs.host("db.acme.example"), certs.host("*.fleet.example")
    p = pgusher(certificates={"db.acme.example": acme, "*.fleet.example": wild}, **tls(certs))
    expected = {"db.acme.example": acme, "DB.Acme.Example": acme, "a.fleet.example": wild, "b.fleet.example": wild,
                "fleet.example": certs.server, "a.b.fleet.example": certs.server, "localhost": certs.server,
                "xdb.acme.example": certs.server}
    for name, certificate in expected.items():
        assert shown_certificate(p, name) == certificate.der, name
    assert shown_certificate(p, None) == certs.server.der
    with p.connect(**trusting(certs, host="db.acme.example")) as c:  # checked in full, by libpq
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert "db.acme.example" in s_client(p, "-showcerts", name="db.acme.example")


@pytest.mark.ours("one certificate for all names")
def test_certificate_by_host_name_is_renewed(pgusher, certs, folder):
    mine = certs.host("db.acme.example").copy_to(folder, "acme")
    p = pgusher(certificates={"db.acme.example": mine}, **tls(certs))
    renewed = certs.ca.issue("db.acme.example", hosts=["db.acme.example"])
    mine.replace_by(renewed)
    p.console("RELOAD")
    assert shown_certificate(p, "db.acme.example") == renewed.der
    assert shown_certificate(p) == certs.server.der


@pytest.mark.ours("knows SSLRequest only")
@pytest.mark.parametrize("alpn", ["postgresql", "http/1.1", None])
def test_direct_tls(pgusher, certs, alpn):
    """Without an SSLRequest the client must say that it means PostgreSQL, or a browser could be led here."""
    p = pgusher(auth_type="md5", **tls(certs))
    if alpn == "postgresql":
        with p.wire("shop", tls=verifying(certs.ca, alpn=alpn), direct=True) as c:
            assert c.sock.selected_alpn_protocol() == "postgresql"
            assert c.query("SELECT 1") == [["1"]]
    else:
        with pytest.raises(OSError):
            p.wire(tls=careless(alpn=alpn), direct=True).login("shop", "app", PASSWORDS["app"])
    assert p.value("SELECT 1", **trusting(certs)) == 1


@pytest.mark.ours("knows SSLRequest only")
def test_direct_tls_where_tls_is_off(pgusher, certs):
    p = pgusher(client_tls_sslmode="disable")
    with pytest.raises((OSError, wire.Gone)):
        p.wire(tls=careless(alpn="postgresql"), direct=True)
    assert p.value("SELECT 1") == 1


@pytest.mark.ours("knows no ALPN", since=(1, 25))
def test_alpn_behind_an_sslrequest_is_answered(pgusher, certs):
    p = pgusher(**tls(certs))
    with p.wire("shop", tls=verifying(certs.ca, alpn="postgresql")) as c:
        assert c.sock.selected_alpn_protocol() == "postgresql"


def old(version):
    """A client that still speaks what is obsolete, and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = careless(lowest=version, highest=version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(pgusher, certs, version):
    p = pgusher(**tls(certs, client_tls_ciphers="ALL:@SECLEVEL=0"))
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version|unsupported protocol"):
        p.wire(tls=old(ssl.TLSVersion[version]))
    # and only because they are: who asks for them gets them
    p.change(client_tls_protocols="all")
    with p.wire(tls=old(ssl.TLSVersion[version])) as c:
        assert c.sock.version() == version.replace("_", ".")


@pytest.mark.parametrize("protocols,spoken", [("tlsv1.2", "TLSv1.2"), ("tlsv1.3", "TLSv1.3"), ("secure", "TLSv1.3"),
                                              ("tlsv1.2,tlsv1.3", "TLSv1.3")])
def test_protocols(pgusher, certs, protocols, spoken):
    p = pgusher(**tls(certs, client_tls_protocols=protocols))
    with p.wire("shop", tls=careless()) as c:
        assert c.sock.version() == spoken
        assert c.query("SELECT 1") == [["1"]]


def test_ciphers(pgusher, certs):
    p = pgusher(**tls(certs, client_tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384",
                      client_tls13_ciphers="TLS_CHACHA20_POLY1305_SHA256"))
    with p.wire(tls=careless(highest=ssl.TLSVersion.TLSv1_2)) as c:
        assert c.sock.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    if PEER is None or PEER >= (1, 24):
        with p.wire(tls=careless()) as c:
            assert c.sock.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def test_no_authorities_are_named_unless_a_certificate_is_asked_for(pgusher, certs):
    p = pgusher(**tls(certs))
    assert "No client certificate CA names sent" in s_client(p)


@pytest.mark.ours("names none, or all of the system")
def test_authorities_are_named_to_whom_we_ask(pgusher, certs):
    p = pgusher(**tls(certs, "verify-full"))
    text = s_client(p, "-cert", certs.client("app").cert, "-key", certs.client("app").key)
    assert "Acceptable client certificate CA names" in text
    assert "test authority" in text.partition("Acceptable client certificate CA names")[2].partition("---")[0]


def test_no_renegotiation(pgusher, certs):
    p = pgusher(**tls(certs))
    text = s_client(p, "-tls1_2", stdin="R\n")
    assert "RENEGOTIATING" in text and re.search("no.renegotiation", text), text
    assert p.value("SELECT 1", **trusting(certs)) == 1


def test_no_compression(pgusher, certs):
    p = pgusher(**tls(certs))
    with p.wire(tls=careless(highest=ssl.TLSVersion.TLSv1_2)) as c:
        assert c.sock.compression() is None
    assert "Compression: NONE" in s_client(p, "-comp", "-tls1_2")


@pytest.mark.ours("hands out tickets", since=(1, 25))
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_no_session_is_resumed(pgusher, certs, version):
    p = pgusher(**tls(certs))
    context = careless(lowest=ssl.TLSVersion[version], highest=ssl.TLSVersion[version])
    with p.wire("shop", tls=context) as c:
        c.query("SELECT 1")
        session = c.sock.session
        assert not session.has_ticket and not (version == "TLSv1_2" and session.id)
    with wire.Client.connect_plain(p.host, p.port) as c:
        c.ask_for_tls()
        c.sock = context.wrap_socket(c.sock, server_hostname="localhost", session=session)
        assert not c.sock.session_reused


@pytest.mark.parametrize("kind", ["rsa", "ec", "ec384", "ed25519"])
def test_kinds_of_keys(pgusher, certs, kind):
    p = pgusher(**tls(certs, certificate=certs.local(kind)))
    with p.connect(**trusting(certs)) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("before", ["ecparam", "certificate"])
def test_key_behind_other_things_in_its_file(pgusher, certs, folder, before):
    """As `openssl ecparam -genkey` writes it, and as others keep certificate and key in one file."""
    mine = certs.server.copy_to(folder)
    key = mine.key.read_text()
    if before == "ecparam":
        run(["openssl", "ec", "-in", certs.server.key, "-out", folder / "old"])
        key = run(["openssl", "ecparam", "-name", "prime256v1"]).stdout + (folder / "old").read_text()
        assert "BEGIN EC PARAMETERS" in key and "BEGIN EC PRIVATE KEY" in key
    else:
        key = mine.cert.read_text() + key
    mine.key.write_text(key)
    p = pgusher(**tls(certs, certificate=mine))
    assert shown_certificate(p) == certs.server.der


# ---- renewal ----

def test_renewed_certificate(pgusher, certs, folder):
    """New connections see the new one, old connections live on."""
    mine = certs.server.copy_to(folder)
    p = pgusher(workers=2, **tls(certs, certificate=mine))
    kept = [p.wire(db, tls=verifying(certs.ca)) for db in ("shop", "mill", "forge")]
    renewed = certs.ca.issue("localhost", hosts=["localhost"], addresses=["127.0.0.1"])
    mine.replace_by(renewed)
    if PEER is None:
        assert shown_certificate(p) == certs.server.der  # nothing is read behind our back
    p.console("RELOAD")
    for _ in range(4):  # whichever worker accepts
        assert shown_certificate(p) == renewed.der
    for c in kept:
        assert c.query("SELECT 1") == [["1"]]
        c.close()


BROKEN = {
    "another's key": lambda mine, certs: mine.key.write_bytes(certs.local("rsa").key.read_bytes()),
    "no PEM": lambda mine, certs: mine.cert.write_text("this is no certificate\n"),
    "half": lambda mine, certs: mine.cert.write_bytes(mine.cert.read_bytes()[:200]),
    "empty": lambda mine, certs: mine.cert.write_text(""),
    "gone": lambda mine, certs: mine.cert.unlink(),
    "key gone": lambda mine, certs: mine.key.unlink(),
}


@pytest.mark.ours("refuses all connections then, or says little", since=(1, 25))
@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_bad_certificate_keeps_the_old(pgusher, certs, folder, damage):
    mine = certs.server.copy_to(folder)
    p = pgusher(**tls(certs, certificate=mine))
    with p.wire("shop", tls=verifying(certs.ca)) as c:
        damage(mine, certs)
        with pytest.raises(psycopg.Error) as e:
            p.console("RELOAD")
        assert e.value.sqlstate == "F0000"
        assert re.search(r"server\.(crt|key)", told(e)), told(e)
        p.wait_log(r"server\.(crt|key)")
        assert shown_certificate(p) == certs.server.der
        assert c.query("SELECT 1") == [["1"]]
    mine.replace_by(certs.local("rsa"))
    p.console("RELOAD")
    assert shown_certificate(p) == certs.local("rsa").der


@pytest.mark.ours("SET reads no files")
def test_set_key_and_certificate_one_after_the_other(pgusher, certs):
    """While they don't fit each other the old pair stays, and the log says why."""
    p = pgusher(**tls(certs))
    rsa = certs.local("rsa")
    with p.logs(re.escape(str(rsa.key))):
        p.console(f"SET client_tls_key_file = '{rsa.key}'")
    assert shown_certificate(p) == certs.server.der
    p.console(f"SET client_tls_cert_file = '{rsa.cert}'")
    assert shown_certificate(p) == rsa.der


@pytest.mark.parametrize("damage", [BROKEN["another's key"], BROKEN["gone"]], ids=["another's key", "gone"])
def test_bad_certificate_at_the_start(pgusher, certs, folder, damage):
    mine = certs.server.copy_to(folder)
    damage(mine, certs)
    p = pgusher(start=False, **tls(certs, certificate=mine))
    p.process = p.spawn()
    assert p.wait_exit() == 1
    assert re.search(r"server\.(crt|key)", p.output()) or PEER
    p.process = None


@pytest.mark.parametrize("missing", ["client_tls_cert_file", "client_tls_key_file", "client_tls_ca_file"])
def test_what_tls_needs(pgusher, certs, missing):
    p = pgusher(start=False, **tls(certs, "verify-full"))
    p.settings[missing] = None
    p.write()
    p.process = p.spawn()
    assert p.wait_exit() == 1
    if PEER is None:
        assert missing in p.output()
    p.process = None


@pytest.mark.ours("modes need a restart there", since=(1, 25))
def test_mode_changes_for_new_connections(pgusher, certs):
    p = pgusher(client_tls_sslmode="disable")
    with p.wire("shop") as plain:
        p.change(**tls(certs, "require"))
        assert plain.query("SELECT 1") == [["1"]]
        with p.wire() as c:
            assert c.login("shop", "app").kind == "E"
        with p.wire("shop", tls=verifying(certs.ca)) as c:
            assert c.query("SELECT 1") == [["1"]]
            p.change(client_tls_sslmode="disable")
            assert c.query("SELECT 2") == [["2"]]
    with p.wire() as c:
        c.send(wire.ssl_request())
        assert c.read(1) == b"N"


# ---- SCRAM-SHA-256-PLUS ----

@pytest.fixture(scope="module", params=["rsa", "ec"])
def by_scram(request, module_pgusher, certs):
    return module_pgusher(auth_type="scram-sha-256", **tls(certs, "prefer", certs.local(request.param)))


@pytest.mark.ours("no channel binding")
def test_scram_plus_is_offered_over_tls_only(by_scram, certs):
    with by_scram.wire("shop") as c:
        assert c.mechanisms == [b"SCRAM-SHA-256"]
    with by_scram.wire("shop", tls=verifying(certs.ca)) as c:
        assert c.mechanisms == [b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"]


@pytest.mark.ours("no channel binding")
def test_scram_plus(by_scram, certs):
    with by_scram.wire(tls=verifying(certs.ca)) as c:
        c.bind_channel()
        assert c.login("shop", "app", PASSWORDS["app"]).kind == "Z"
        assert c.scram.mechanism == "SCRAM-SHA-256-PLUS"
    with by_scram.connect(**trusting(certs, channel_binding="require")) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    env = {"PGSSLMODE": "require", "PGCHANNELBINDING": "require", "PGSSLCERT": "/nonexistent"}
    assert by_scram.psql("SELECT 1", env=env).stdout.strip() == "1"


@pytest.mark.ours("no channel binding")
@pytest.mark.parametrize("signed_by", ["ec384", "rsa"])
def test_scram_plus_with_another_signature(pgusher, certs, signed_by):
    """The hash is that of the signature, so it depends on the authority's key."""
    ca = certs.authority(f"{signed_by} authority", signed_by)
    certificate = certs.once(f"by {signed_by}", lambda: ca.issue("localhost", hosts=["localhost"],
                                                                addresses=["127.0.0.1"]))
    p = pgusher(auth_type="scram-sha-256", **tls(certs, "require", certificate))
    with p.connect(**trusting(certs, sslrootcert=ca.cert, channel_binding="require")) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.ours("no channel binding")
def test_scram_plus_where_the_signature_has_no_hash(pgusher, certs):
    """Ed25519: there is no binding to be had, and none is offered."""
    ca = certs.authority("ed25519 authority", "ed25519")
    certificate = certs.once("by ed25519", lambda: ca.issue("localhost", hosts=["localhost"]))
    p = pgusher(auth_type="scram-sha-256", **tls(certs, "require", certificate))
    with p.wire("shop", tls=careless()) as c:
        assert c.mechanisms == [b"SCRAM-SHA-256"]


# how the binding is wrong -> binding data, GS2 header, mechanism
CHEATS = {
    "another certificate's hash": (lambda right: b"\x55" * 32, "p=tls-server-end-point,,", wire.SCRAM_PLUS),
    "one bit off": (lambda right: bytes([right[0] ^ 1]) + right[1:], "p=tls-server-end-point,,", wire.SCRAM_PLUS),
    "too short": (lambda right: right[:31], "p=tls-server-end-point,,", wire.SCRAM_PLUS),
    "none": (lambda right: b"", "p=tls-server-end-point,,", wire.SCRAM_PLUS),
    "another type": (lambda right: right, "p=tls-unique,,", wire.SCRAM_PLUS),
    "plus without": (lambda right: b"", "n,,", wire.SCRAM_PLUS),
    "binding without plus": (lambda right: right, "p=tls-server-end-point,,", wire.PLAIN_SCRAM),
    # "y": the client could have bound, but was not offered it; as we did offer it, somebody took that away
    "downgraded": (lambda right: b"", "y,,", wire.PLAIN_SCRAM),
}


@pytest.mark.ours("no channel binding")
@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS)
def test_scram_plus_cheats(by_scram, certs, cheat):
    change, header, mechanism = cheat
    with by_scram.wire(tls=verifying(certs.ca)) as c:
        c.bind_channel()
        c.start("shop", "app")
        assert c.expect("R").number == 10
        scram = wire.Scram(PASSWORDS["app"], change(c.binding), header, mechanism)
        c.send(scram.first())
        m = c.expect("RE")
        if m.kind == "R":
            c.send(scram.final(m.body[4:]))
            m = c.expect("RE")
        assert m.kind == "E" and m.code in ("28P01", "28000", "08P01", "0A000"), m
        assert c.until_closed() == []


@pytest.mark.ours("no channel binding")
def test_a_client_that_can_not_bind_says_so(by_scram, certs):
    """"n": fine over TLS; "y" on a plain connection: fine, as nothing was offered."""
    with by_scram.wire("shop", tls=verifying(certs.ca)) as c:
        assert c.scram.header == "n,,"
    with by_scram.wire() as c:
        c.start("shop", "app")
        c.expect("R")
        scram = wire.Scram(PASSWORDS["app"], b"", "y,,")
        c.send(scram.first())
        c.send(scram.final(c.expect("R").body[4:]))
        scram.check(c.expect("R").body[4:])


@pytest.mark.ours("no channel binding")
def test_scram_plus_with_a_certificate_by_host_name(pgusher, certs):
    """It is the certificate that was shown that binds."""
    p = pgusher(auth_type="scram-sha-256", certificates={"db.acme.example": certs.host("db.acme.example")},
                **tls(certs))
    with p.connect(**trusting(certs, host="db.acme.example", channel_binding="require")) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.ours("no channel binding")
def test_scram_plus_and_a_certificate_renewed_meanwhile(pgusher, certs, folder):
    mine = certs.server.copy_to(folder)
    p = pgusher(auth_type="scram-sha-256", **tls(certs, certificate=mine))
    with p.wire(tls=verifying(certs.ca)) as c:
        c.bind_channel()
        mine.replace_by(certs.local("rsa"))
        p.console("RELOAD")
        assert c.login("shop", "app", PASSWORDS["app"]).kind == "Z"
