"""Passwords that an LDAP server checks: both ways to find a user, TLS, hostile names, servers that are no help."""

import itertools
import socket
import time

import psycopg
import pytest

import wire
from directory import BASE, LONG, READER, READER_PASSWORD, Directory, Silence, find_slapd, person
from helpers import SLOW
from pooler import PASSWORDS

pytestmark = [
    pytest.mark.ours("PgBouncer knows LDAP from 1.25 on", since=(1, 25)),
    pytest.mark.skipif(find_slapd() is None, reason="slapd is missing (Debian: apt install slapd)"),
]

# uid -> password in the directory.  None of them is what PostgreSQL or auth_file know for that name.
SECRETS = {
    "app": "directory secret",
    "md5user": "pässwörd, (*) \\ and so on",
    "scramuser": "x" * 900,
    "ldap*user": "the star's own secret",
    "comma, inc": "the comma's own secret",
    "noconn": "behind a long name",
    "closed": "in a closed room",
}
PEOPLE = "".join([
    person("admin", PASSWORDS["admin"]),
    person("app", SECRETS["app"], mail="app@example.net"),
    person("md5user", SECRETS["md5user"]),
    person("scramuser", SECRETS["scramuser"]),
    person("ldap*user", SECRETS["ldap*user"]),
    person("comma, inc", SECRETS["comma, inc"], rdn="uid=comma\\2c inc"),
    person("noconn", SECRETS["noconn"], f"{LONG},{BASE}"),
    person("closed", SECRETS["closed"], f"ou=closed,{BASE}"),
    person("twin", "twin's secret", f"ou=north,{BASE}"),
    person("twin", "twin's secret", f"ou=south,{BASE}"),
])

SIMPLE = f'ldapprefix="uid=" ldapsuffix=",{BASE}"'
SEARCH = f'ldapbasedn="{BASE}"'


@pytest.fixture(scope="module")
def directory(certs, module_monkeypatch):
    d = Directory(certs.local("rsa"), certs.ca, PEOPLE)
    module_monkeypatch.setenv("LDAPCONF", str(d.ldap_conf))
    yield d
    d.close()


@pytest.fixture(scope="module")
def module_monkeypatch():
    with pytest.MonkeyPatch.context() as m:
        yield m


@pytest.fixture(scope="module")
def people(postgres):
    """Roles for all: who comes in without one is told so, which is not the refusal that we expect."""
    with postgres.connect() as c:
        for name in SECRETS.keys() - {r[0] for r in c.execute("SELECT rolname FROM pg_roles").fetchall()}:
            c.execute(f'CREATE ROLE "{name}" LOGIN')


def at(directory, options):
    return f"ldapserver={directory.host} ldapport={directory.port} {options}"


def start_with_rules(pgusher, *rules, **kwargs):
    """A pooler with these hba rules, and a console that needs no directory."""
    p = pgusher(auth_type="hba", start=False, databases={"shop": "{pg} user=app password=app-secret"}, **kwargs)
    p.settings["auth_hba_file"] = p.dir / "hba.conf"
    write_rules(p, *rules)
    p.write()
    p.start()
    return p


def write_rules(p, *rules):
    (p.dir / "hba.conf").write_text("\n".join(["local all all trust", *rules, ""]))


@pytest.fixture(scope="module")
def shared(module_pgusher, directory, people):
    return start_with_rules(module_pgusher)


@pytest.fixture
def by_ldap(shared):
    """The pooler that most tests share, with other options."""
    def change(options):
        write_rules(shared, "host all all all ldap " + options)
        shared.console("RELOAD")
        return shared
    return change


addresses = itertools.count(2)


def visitor(p):
    """A client from an address that nobody has failed from yet, and that need not wait for it."""
    number = next(addresses)
    source = f"127.0.{number // 250}.{number % 250 + 1}"
    return wire.Client(socket.create_connection((p.host, p.port), 10 * SLOW, (source, 0)))


def gets_in(p, user="app", password=None):
    with visitor(p) as c:
        reply = c.login("shop", user, SECRETS.get(user, "") if password is None else password)
        if reply.kind == "Z":
            assert c.auth_codes == [3, 0]
            assert c.query("SELECT 1") == [["1"]]
            return True
        assert (reply.kind, reply.code) == ("E", "28P01"), reply
        return False


# ---- the two ways to find a user ----

def test_simple_bind(by_ldap, directory):
    p = by_ldap(at(directory, SIMPLE))
    assert gets_in(p)
    assert gets_in(p, "md5user")
    assert gets_in(p, "scramuser")


WAYS = {
    "base": SEARCH,
    "attribute": f"{SEARCH} ldapsearchattribute=uid",
    "other attribute": f"{SEARCH} ldapsearchattribute=cn",
    "filter": f'{SEARCH} ldapsearchfilter="uid=$username"',
    "filter of several": f'{SEARCH} ldapsearchfilter="(|(uid=$username)(mail=$username))"',
    "commas and quotes": f'{SEARCH} ,"ldapsearchfilter"="(&(objectClass=inetOrgPerson)(uid=$username))"',
}


@pytest.mark.parametrize("way", WAYS)
def test_search_and_bind(by_ldap, directory, way):
    p = by_ldap(at(directory, WAYS[way]))
    assert gets_in(p)
    assert gets_in(p, "md5user")
    assert not gets_in(p, "md5user", SECRETS["app"])


URLS = {
    "attribute": "ldap://{d.host}:{d.port}/{base}?uid?sub",
    "one level": "ldap://{d.host}:{d.port}/{base}?uid?one",
    "filter": "ldap://{d.host}:{d.port}/{base}??sub?(|(uid=$username)(mail=$username))",
    "ldaps": "ldaps://{d.host}:{d.tls_port}/{base}?uid?sub",
    "base is the entry": "ldap://{d.host}:{d.port}/uid=app,{base}?uid",
}


@pytest.mark.parametrize("url", URLS)
def test_url(by_ldap, directory, url):
    p = by_ldap(f'ldapurl="{URLS[url].format(d=directory, base=BASE)}"')
    assert gets_in(p)
    assert not gets_in(p, password="wrong")


def test_by_another_attribute(by_ldap, directory, postgres):
    p = by_ldap(at(directory, f"{SEARCH} ldapsearchattribute=mail"))
    assert gets_in(p, "app@example.net", SECRETS["app"])
    assert not gets_in(p, "app")


def test_who_searches(by_ldap, directory):
    options = f'{SEARCH} ldapsearchattribute=uid ldapbinddn="{READER}"'
    p = by_ldap(at(directory, f'{options} ldapbindpasswd="{READER_PASSWORD}"'))
    assert gets_in(p, "closed")
    p = by_ldap(at(directory, f"{SEARCH} ldapsearchattribute=uid"))
    assert not gets_in(p, "closed")
    p = by_ldap(at(directory, f'{options} ldapbindpasswd="not {READER_PASSWORD}"'))
    with p.logs("cannot bind in order to search: Invalid credentials"):
        assert not gets_in(p, "closed")
    assert READER_PASSWORD not in p.log()


def test_long_dn_that_is_not_ascii(by_ldap, directory):
    p = by_ldap(f'ldapurl="ldap://{directory.host}:{directory.port}/{BASE}?uid?sub"')
    assert gets_in(p, "noconn")
    assert not gets_in(p, "noconn", "wrong")


def test_several_servers(by_ldap, directory):
    """The first ones are not there: the next is asked."""
    with Absent() as absent:
        servers = f"{directory.host}:{absent.port} {directory.host}:{directory.port}"
        assert gets_in(by_ldap(f'ldapserver="{servers}" {SIMPLE}'))
        assert gets_in(by_ldap(f'ldapserver="{servers}" {SEARCH}'))


class Absent:
    """A port that refuses, and that nobody else can have."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *_):
        self.socket.close()


# ---- settings ----

def test_different_rules(pgusher, directory, people):
    p = start_with_rules(
        pgusher, "host all app2 127.0.0.1/32 scram-sha-256",
        f'host all app 127.0.0.0/8 ldap ldapserver={directory.host} "ldapport"={directory.port} '
        f'ldapbasedn="{BASE}" ,ldapsearchfilter="uid=$username"',
        f'host all md5user 127.0.0.0/8 ldap ldapurl="ldaps://{directory.host}:{directory.tls_port}/{BASE}?uid?sub"')
    assert gets_in(p, "app")
    assert not gets_in(p, "app", PASSWORDS["app"])
    assert gets_in(p, "md5user")
    assert p.value("SELECT 1", user="app2") == 1
    assert p.refused(user="scramuser", password=SECRETS["scramuser"])["C"].startswith("28")


def test_broken_rule_changes_nothing(pgusher, directory, people):
    good = "host all all all ldap " + at(directory, SIMPLE)
    p = start_with_rules(pgusher, good)
    assert gets_in(p)
    write_rules(p, good, "host all all all ldap ldapserver=x ldapbindpasswd=hush")
    with pytest.raises(psycopg.Error) as e:
        p.console("RELOAD")
    assert "ldapbasedn" in str(e.value) and "hush" not in str(e.value)
    assert gets_in(p)
    write_rules(p, good)
    p.console("RELOAD")


def test_auth_type(pgusher, directory, people):
    """Everybody is asked for, on the Unix socket and for the console too."""
    p = pgusher(auth_type="ldap", auth_ldap_options=at(directory, SIMPLE),
                databases={"shop": "{pg} user=app password=app-secret"})
    assert gets_in(p)
    assert not gets_in(p, password=PASSWORDS["app"])
    with pytest.raises(psycopg.OperationalError):
        p.console("SHOW VERSION", password="wrong")
    p.change(auth_ldap_options=f'ldapurl="ldap://{directory.host}:{directory.port}/{BASE}?uid?sub"')
    assert gets_in(p)


def test_password_goes_on_to_the_server(pgusher, directory, people, pg):
    """Where no password for the server is known, the one that the directory found right is tried there."""
    with pg.connect() as c:
        c.execute(f"ALTER ROLE closed PASSWORD '{SECRETS['closed']}'")
    p = start_with_rules(pgusher, "host all all all ldap "
                         + at(directory, f'ldapprefix="uid=" ldapsuffix=",ou=closed,{BASE}"'))
    with p.wire() as c:
        assert c.login("db_scram", "closed", SECRETS["closed"]).kind == "Z"
        assert c.query("SELECT current_user") == [["closed"]]


# ---- TLS ----

def test_start_tls(by_ldap, directory):
    for way in SIMPLE, SEARCH, WAYS["filter"]:
        since = len(directory.log())
        p = by_ldap(at(directory, f"{way} ldaptls=1"))
        assert gets_in(p)
        assert not gets_in(p, password="wrong")
        assert "STARTTLS" in directory.log()[since:]


def test_ldaps_by_scheme(by_ldap, directory):
    p = by_ldap(f"ldapserver={directory.host} ldapport={directory.tls_port} ldapscheme=ldaps {SIMPLE}")
    assert gets_in(p)
    assert not gets_in(p, password="wrong")


@pytest.mark.parametrize("options", [
    'ldapurl="ldaps://{d.host}:{d.port}/{base}?uid?sub"',
    "ldapserver={d.host} ldapport={d.tls_port} ldaptls=1 {simple}",
    'ldapurl="ldaps://{d.host}:{d.tls_port}/{base}?uid?sub" ldaptls=1',
    'ldapurl="ldaps://{d.host}:{d.port}/{base}?uid?sub" ldaptls=1',
])
def test_tls_where_there_is_none(by_ldap, directory, options):
    p = by_ldap(options.format(d=directory, base=BASE, simple=SIMPLE))
    with p.logs("LDAP.*TLS"):
        assert not gets_in(p)


def test_certificate_of_a_stranger(pgusher, certs, directory, people, monkeypatch):
    """An authority that signed nothing of the directory's: no password is sent."""
    monkeypatch.setenv("LDAPCONF", str(directory.write_ldap_conf("other.conf", certs.other_ca)))
    for options in (f"ldapserver={directory.host} ldapport={directory.tls_port} ldapscheme=ldaps {SIMPLE}",
                    at(directory, f"{SIMPLE} ldaptls=1")):
        p = start_with_rules(pgusher, "host all all all ldap " + options)
        since = len(directory.log())
        with p.logs("LDAP server .*the certificate is not believed"):
            assert not gets_in(p)
        assert "BIND" not in directory.log()[since:]


# ---- who must not get in ----

@pytest.mark.parametrize("way", ["simple", "search"])
@pytest.mark.parametrize("password", ["wrong", "", "directory secre", "directory secret ", "app-secret", "*",
                                      "directory\tsecret"])
def test_wrong_password(by_ldap, directory, way, password):
    p = by_ldap(at(directory, SIMPLE if way == "simple" else SEARCH))
    assert not gets_in(p, "app", password)


# Names that would mean another user, or everybody, if they were taken as they are.
HOSTILE = ["*", "ap*", "a*p", ")(uid=*", "app)(uid=*", "*)(uid=*))(|(uid=*", "app)(|(objectClass=*", "\\61pp", "\\2a",
           "app\\", "app,dc=example,dc=net", "uid=app", "app+cn=app", f"app,{BASE}", "#617070", "app\\00", "(app)",
           "cn=app", "&", "|", "!", "$username", "app, ", "<app>", "a" * 63, "ä*", "\x7f", "app;binary", "app\x01"]


@pytest.mark.parametrize("way", ["simple", "search", "filter"])
def test_hostile_names(by_ldap, directory, way):
    p = by_ldap(at(directory, {"simple": SIMPLE, "search": SEARCH,
                               "filter": f'{SEARCH} ldapsearchfilter="(&(objectClass=*)(uid=$username))"'}[way]))
    attempts = [(name, password) for name in HOSTILE for password in (SECRETS["app"], "")]
    clients = [visitor(p) for _ in attempts]
    for c, (name, password) in zip(clients, attempts):
        c.start("shop", name)
        assert c.expect("R").number == 3
        c.send(wire.message("p", wire.cstr(password)))
    for c, attempt in zip(clients, attempts):
        reply = c.receive()
        assert (reply.kind, reply.code) == ("E", "28P01"), attempt
        c.close()


@pytest.mark.parametrize("way", ["simple", "search"])
def test_odd_names_are_names(by_ldap, directory, way):
    """A star or a comma stands for itself: who is really called so gets in."""
    p = by_ldap(at(directory, SIMPLE if way == "simple" else SEARCH))
    for name in "ldap*user", "comma, inc":
        assert gets_in(p, name), name
        assert not gets_in(p, name, SECRETS["app"])


def test_unknown_user(by_ldap, directory):
    for way in SIMPLE, SEARCH:
        p = by_ldap(at(directory, way))
        assert not gets_in(p, "nobody at all", SECRETS["app"])


def test_name_that_is_not_unique(by_ldap, directory):
    p = by_ldap(at(directory, SEARCH))
    with p.logs("several entries fit the user"):
        assert not gets_in(p, "twin", "twin's secret")
    p = by_ldap(f'ldapurl="ldap://{directory.host}:{directory.port}/ou=north,{BASE}?uid?sub"')
    assert p.refused(user="twin", password="wrong")["C"] == "28P01"


def test_entry_without_a_name(by_ldap, directory):
    """The root has an empty DN; to bind with that is to be anonymous, whatever the password."""
    p = by_ldap(f'ldapserver={directory.host} ldapport={directory.port} '
                f'ldapurl="ldap://{directory.host}:{directory.port}/"  ldapbasedn="" '
                f'ldapsearchfilter="(|(objectClass=*)(uid=$username))"')
    assert not gets_in(p, "app", "anything")


# ---- directories that are no help ----

def test_nobody_there(by_ldap):
    with Absent() as absent:
        p = by_ldap(f"ldapserver=127.0.0.1 ldapport={absent.port} {SIMPLE}")
        with p.logs("LDAP server .*: cannot connect"):
            assert not gets_in(p)


def test_base_that_is_not_there(by_ldap, directory):
    p = by_ldap(at(directory, "ldapbasedn=dc=elsewhere"))
    with p.logs("LDAP server .*: cannot search"):
        assert not gets_in(p)


def test_directory_comes_back(by_ldap, certs):
    """Each login asks anew."""
    d = Directory(certs.local("rsa"), certs.ca, PEOPLE)
    try:
        p = by_ldap(at(d, SIMPLE))
        assert gets_in(p)
        d.stop()
        assert not gets_in(p)
        d.start()
        p = by_ldap(at(d, SIMPLE))
        assert gets_in(p)
    finally:
        d.close()


@pytest.fixture
def silence():
    s = Silence()
    yield s
    s.close()


def test_next_server_when_the_first_is_silent(by_ldap, directory, silence):
    servers = f"{silence.host}:{silence.port} {directory.host}:{directory.port}"
    start = time.monotonic()
    assert gets_in(by_ldap(f'ldapserver="{servers}" {SIMPLE}'))
    assert time.monotonic() - start > 4


# What a directory may begin to say: half a message, half a length, one that is too long, none at all.
HALVES = [b"0", b"0\x0c", b"0\x0c\x02\x01\x01", b"0\x84\x7f\xff", b"0\x84\x7f\xff\xff\xff" + b"x" * 100000,
          b"0\x80", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 1000, b"\x16\x03\x03\x40\0"]


@pytest.mark.parametrize("tls", ["", "ldapscheme=ldaps", "ldaptls=1"])
def test_half_an_answer(by_ldap, tls):
    """All at the same time, as each is given five seconds."""
    servers = [Silence(half) for half in HALVES]
    try:
        for ending in False, True:
            clients = []
            for server in servers:
                server.ends = ending
                p = by_ldap(f"ldapserver=127.0.0.1 ldapport={server.port} {tls} {SIMPLE}")
                c = visitor(p)
                clients.append(c)
                c.start("shop", "app")
                assert c.expect("R").number == 3
                c.send(wire.message("p", b"secret\0"))
            for c in clients:
                reply = c.receive()
                assert (reply.kind, reply.code) == ("E", "28P01")
                c.close()
    finally:
        for server in servers:
            server.close()


@pytest.mark.parametrize("scheme", ["ldap", "ldaps", "starttls"])
def test_silent_directory_holds_up_nobody_else(pgusher, people, silence, scheme):
    tls = {"ldap": "", "ldaps": "ldapscheme=ldaps", "starttls": "ldaptls=1"}[scheme]
    p = start_with_rules(pgusher, "host all app2 all scram-sha-256",
                         f"host all all all ldap ldapserver=127.0.0.1 ldapport={silence.port} {tls} {SIMPLE}",
                         workers=1)
    waiting = [visitor(p) for _ in range(40)]
    try:
        for c in waiting:
            c.start("shop", "app")
            assert c.expect("R").number == 3
            c.send(wire.message("p", b"secret\0"))
        with p.connect(user="app2") as settled:
            slowest = 0
            for _ in range(20):
                start = time.monotonic()
                assert settled.execute("SELECT 1").fetchone() == (1,)
                assert p.value("SELECT 2", user="app2") == 2
                slowest = max(slowest, time.monotonic() - start)
        assert slowest < 4.5, "somebody else's directory held up a login or a query"
        first = waiting[0].receive()
        assert (first.kind, first.code) == ("E", "28P01")
    finally:
        for c in waiting:
            c.close()
    start = time.monotonic()
    assert p.quit() == 0
    assert time.monotonic() - start < 10 * SLOW, "a directory that hangs keeps the process from ending"
