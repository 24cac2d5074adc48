"""The HTTP API: its answers, held against openapi.json; who may; and what strangers send to it."""

import base64
import contextlib
import hashlib
import http.client
import json
import re
import socket
import ssl
import threading
import time

import pytest

import wire
from helpers import SLOW, free_port, wait_until
from pooler import PEER

pytestmark = pytest.mark.skipif(PEER is not None, reason="PgBouncer speaks no HTTP")

SECRETS = {name: f"{name}-secret-of-this-test" for name in ("reader", "bencher", "deploy", "acme", "acmeops")}
RIGHTS = {"reader": "", "bencher": "scope=benchmark", "deploy": "scope=read,operate", "acme": "tenant=shop",
          "acmeops": "scope=read,operate tenant=shop"}
LISTS = ["/api/system/tenants", "/api/system/pools", "/api/system/hosts", "/api/system/limits", "/api/system/bans",
         "/api/system/threats", "/api/system/catalogue", "/api/system/config"]
READING = LISTS + ["/api/system/query-performance", "/metrics"]
RESET = "/api/system/reset-statistics"


def token_lines():
    return {name: f"sha256:{hashlib.sha256(secret.encode()).hexdigest()} {RIGHTS[name]}"
            for name, secret in SECRETS.items()}


def bearer(name):
    return {"Authorization": "Bearer " + SECRETS.get(name, name)}


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.type = self.headers.get("content-type", "")

    @property
    def json(self):
        return json.loads(self.body)

    def problem(self, status):
        """The detail, of an answer that must be a problem of this status."""
        assert self.status == status, (self.status, self.body)
        assert self.type == "application/problem+json"
        assert self.json["status"] == status and self.json["type"] == "about:blank"
        return self.json["detail"]


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


class Site:
    """An instance with HTTP, and how to talk to it."""

    def __init__(self, start, **settings):
        self.port = free_port()
        listen = settings.pop("http_listen", "127.0.0.1:{port}").format(port=self.port)
        settings.setdefault("tokens", token_lines())
        self.p = start(http_listen=listen, **settings)

    def connection(self, source=None, host="127.0.0.1", tls=None):
        if tls:
            return http.client.HTTPSConnection(host, self.port, timeout=20 * SLOW, context=tls)
        return http.client.HTTPConnection(host, self.port, timeout=20 * SLOW,
                                          source_address=(source, 0) if source else None)

    def ask(self, method, path, headers=(), body=None, over=None, **kwargs):
        c = over or self.connection(**kwargs)
        try:
            c.request(method, path, headers=dict(headers), body=body)
            response = c.getresponse()
            return Answer(response, response.read())
        finally:
            if not over:
                c.close()

    def get(self, path, headers=(), **kwargs):
        return self.ask("GET", path, headers, **kwargs)

    def rows(self, path, headers=()):
        answer = self.get(path, headers)
        assert answer.status == 200, answer.body
        return answer.json["rows"]

    @contextlib.contextmanager
    def raw(self, data=b""):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20 * SLOW) as s:
            s.sendall(data)
            yield s

    def talk(self, data, half_close=False):
        """Send these bytes; all that comes until the end of the connection."""
        with self.raw(data) as s:
            if half_close:
                s.shutdown(socket.SHUT_WR)
            return read_to_end(s)


def read_to_end(s):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := s.recv(65536):
            parts.append(part)
    return b"".join(parts)


def heads(data):
    """The status of each answer in these bytes."""
    return [int(n) for n in re.findall(rb"(?:^|\n|\})HTTP/1\.[01] (\d{3}) ", data)]


@pytest.fixture(scope="module")
def site(module_pgusher):
    return Site(module_pgusher)


@pytest.fixture(scope="module")
def used(module_pgusher):
    """One whose tenants have done something."""
    site = Site(module_pgusher, slow_query_threshold="1000", alert_query_time="1000")
    for _ in range(25):
        site.p.rows("SELECT 1 AS one /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'*/")
    site.p.rows("SELECT pg_sleep(1.2)")
    site.p.rows("SELECT 2 AS two", dbname="mill")
    wait_until(lambda: site.get("/api/system/query-performance").json["alerts"], 10, "an alert")
    return site


# ---- what is promised ----

@pytest.fixture(scope="module")
def promise(site):
    pytest.importorskip("jsonschema", reason="needs python3-jsonschema")
    return Promise(site.get("/openapi.json").json)


class Promise:
    """openapi.json, to hold answers against."""

    def __init__(self, document):
        import jsonschema
        self.document = document
        self.resolver = jsonschema.RefResolver.from_schema(document)
        self.validator = jsonschema.Draft202012Validator

    def resolve(self, thing):
        while "$ref" in thing:
            thing = self.resolver.resolve(thing["$ref"])[1]
        return thing

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield path, method.upper(), operation

    def check(self, answer, method, path):
        operation = self.document["paths"][path.split("?")[0]][method.lower()]
        assert str(answer.status) in operation["responses"], (answer.status, answer.body)
        content = self.resolve(operation["responses"][str(answer.status)])["content"]
        assert answer.type in content, answer.type
        if "json" in answer.type:
            self.validator(content[answer.type]["schema"], resolver=self.resolver).validate(answer.json)


def test_the_description_is_sound(promise):
    for name, schema in promise.document["components"]["schemas"].items():
        promise.validator.check_schema(schema)
        assert schema["additionalProperties"] is False, name
    ids = [operation["operationId"] for _, _, operation in promise.operations()]
    assert len(set(ids)) == len(ids)

    def walk(thing):
        if isinstance(thing, dict):
            if "$ref" in thing:
                promise.resolve(thing)
            for value in thing.values():
                walk(value)
        elif isinstance(thing, list):
            for value in thing:
                walk(value)
    walk(promise.document)


@pytest.mark.parametrize("path", [
    "/", "/healthz", "/readyz", "/metrics", "/openapi.json", *LISTS,
    "/api/system/tenants?top=1&sort=calls", "/api/system/tenants?sort=nonsense", "/api/system/pools?tenant=shop",
    "/api/system/pools?tenant=nobody", "/api/system/query-performance", "/api/system/query-performance?tenant=shop",
    "/api/system/query-performance?tenant=nobody", "/api/system/query-performance?window=5m",
    "/api/system/query-performance?window=1h&top=1", "/api/system/query-performance?tenant=shop&window=5m&sort=max",
    "/api/system/query-performance?top=0"])
def test_answers_are_as_described(used, promise, path):
    promise.check(used.get(path), "GET", path)


def test_every_described_path_is_there(site, promise):
    for path, method, operation in promise.operations():
        answer = site.ask(method, path, bearer("deploy") if operation.get("x-scope") else {})
        assert answer.status == 200, (method, path)
        promise.check(answer, method, path)


@pytest.mark.parametrize("method,path,headers", [
    ("GET", "/metrics", bearer("nonsense")), ("GET", "/metrics", bearer("bencher")), ("POST", RESET, {}),
    ("POST", RESET, bearer("reader")), ("GET", "/api/system/config", {"Host": "evil.example"})])
def test_refusals_are_as_described(site, promise, method, path, headers):
    answer = site.ask(method, path, headers)
    assert answer.status >= 400
    promise.check(answer, method, path)


def test_the_description_knows_all_parameters(site, promise):
    for path, method, operation in promise.operations():
        if method != "GET" or path == "/":
            continue
        known = {p["name"] for p in operation.get("parameters", [])}
        for name in ("tenant", "window", "top", "sort", "x"):
            detail = site.get(f"{path}?{name}=%00")
            assert detail.status == 400
            assert ("no parameter" in detail.json["detail"]) == (name not in known), (path, name, detail.body)


# ---- what it says ----

def test_performance(used):
    said = used.get("/api/system/query-performance?tenant=shop").json
    assert said["tenant"] == "shop" and said["window"]["name"] == "all"
    assert said["enough_samples"] and said["samples"] == said["statistics"]["calls"] >= 26
    assert said["statistics"]["slow"] == 1 and 1000 <= said["statistics"]["max_ms"] < 10000 * SLOW
    assert said["history"] == [] and said["top_tenants"] == []
    texts = {row["text"]: row for row in said["top_queries"]}
    assert texts["SELECT $1 AS one"]["calls"] == 25, texts
    assert {row["tenant"] for row in said["slow_queries"] + said["alerts"]} == {"shop"}
    slow = said["slow_queries"][0]
    assert "pg_sleep" in slow["text"] and 1000 <= slow["total_ms"] < 10000 * SLOW


def test_few_samples_are_told(used):
    said = used.get("/api/system/query-performance?tenant=mill").json
    assert said["samples"] == 1 and not said["enough_samples"] and said["statistics"] is None
    assert said["minimum_samples"] == 20 and "this tenant" in said["covers"]
    assert len(said["top_queries"]) == 1


def test_that_nothing_is_counted_is_told(pgusher):
    site = Site(pgusher)
    assert "counted now" not in site.get("/api/system/query-performance").json["covers"]
    site.p.console("SET query_stats = 0")
    for path in ("", "?window=5m"):
        assert "query_stats is 0" in site.get(f"/api/system/query-performance{path}").json["covers"]


def test_a_window_says_what_it_cannot_tell(used):
    def read():
        said = used.get("/api/system/query-performance?window=5m").json
        return sum(point["calls"] for point in said["history"]) >= 27 and said
    said = wait_until(read, 20, "the next look of the monitor")
    assert said["samples"] >= 27 and said["window"]["seconds"] <= 360
    assert said["statistics"]["calls"] == said["samples"]
    assert 0 < said["statistics"]["p50_ms"] <= said["statistics"]["p95_ms"] <= said["statistics"]["max_ms"]
    assert said["statistics"]["rows"] >= 27 and "percentiles" not in said["covers"]
    one = used.get("/api/system/query-performance?window=5m&tenant=shop").json
    assert one["statistics"]["mean_ms"] > 0 and one["statistics"]["p95_ms"] is None
    assert "percentiles" in one["covers"]
    assert {row["tenant"] for row in said["top_tenants"]} >= {"shop", "mill"}


def test_tenants_are_sorted_and_cut(used):
    whole = used.get("/api/system/tenants").json
    assert whole["complete"] and whole["count"] == len(whole["rows"]) >= 2
    assert whole["rows"][0]["tenant"] == "shop"
    cut = used.get("/api/system/tenants?top=1&sort=calls").json
    assert not cut["complete"] and [row["tenant"] for row in cut["rows"]] == ["shop", "other"]
    assert sum(row["calls"] for row in cut["rows"]) == sum(row["calls"] for row in whole["rows"])


def test_pools_and_config(used):
    assert {row["database"] for row in used.rows("/api/system/pools?tenant=shop")} == {"shop"}
    assert {row["database"] for row in used.rows("/api/system/pools")} >= {"shop", "mill", "pgbouncer"}
    config = {row["key"]: row["value"] for row in used.rows("/api/system/config")}
    assert config["http_listen"] == f"127.0.0.1:{used.port}" and config["slow_query_threshold"] == "1000"
    assert used.get("/api/system/pools?tenant=nobody").problem(404) == 'no such tenant is in use: "nobody"'


def test_reset(pgusher):
    site = Site(pgusher)
    for _ in range(30):
        site.p.rows("SELECT 1")
    assert site.get("/api/system/query-performance").json["samples"] == 30
    with site.p.logs(r'HTTP: statistics are reset: token "deploy" from 127\.0\.0\.1:'):
        answer = site.ask("POST", RESET, bearer("deploy"))
    assert answer.status == 200 and "reset_at" in answer.json
    said = site.get("/api/system/query-performance").json
    assert said["samples"] == 0 and said["top_queries"] == [] and said["statistics"] is None


def test_ready_by_host(pgusher, fake_server):
    dead = free_port()
    site = Site(pgusher, databases={"dead": f"host=127.0.0.1 port={dead} dbname=x"})
    assert site.get("/readyz").json == {"status": "ready", "hosts": []}
    with site.p.wire() as c:
        c.start("dead", "app")
        hosts = wait_until(lambda: site.get("/readyz").json["hosts"], 10, "a host")
        answer = wait_until(lambda: (a := site.get("/readyz")).status == 503 and a, 10, "it is down")
        assert answer.json["status"] == "not ready"
        assert [(h["host"], h["port"], h["status"]) for h in answer.json["hosts"]] == [("127.0.0.1", dead, "down")]
        assert "1 of 1 pools cannot connect" in answer.json["hosts"][0]["detail"], hosts
        # Tenants of another host can still be served.
        site.p.rows("SELECT 1")
        answer = site.get("/readyz")
        assert answer.status == 200
        assert {(h["port"], h["status"]) for h in answer.json["hosts"]} == {(dead, "down"), (site.p.pg.port, "up")}


def test_a_wrong_password_is_no_dead_host(pgusher):
    site = Site(pgusher, databases={"nosuch": "{pg} dbname=nosuch"})
    with site.p.wire() as c:
        c.start("nosuch", "app")
        while c.receive().kind != "E":
            pass
    answer = site.get("/readyz")
    assert answer.status == 200 and [h["status"] for h in answer.json["hosts"]] == ["unknown"]


# ---- who may ----

@pytest.mark.parametrize("path", READING)
def test_loopback_reads_without_a_token(site, path):
    assert site.get(path).status == 200
    assert site.get(path, bearer("reader")).status == 200
    assert site.get(path, bearer("bencher")).problem(403) == 'This token does not have the scope "read".'


@pytest.mark.parametrize("token,status", [(None, 401), ("nonsense", 401), ("reader", 403), ("bencher", 403),
                                          ("acmeops", 403), ("deploy", 200)])
def test_changing_needs_a_token_that_may(site, token, status):
    answer = site.ask("POST", RESET, bearer(token) if token else {})
    assert answer.status == status
    if status == 401:
        assert answer.headers["www-authenticate"].startswith('Bearer realm="pgusher"')


def test_http_auth_token(pgusher):
    site = Site(pgusher, http_auth="token")
    for path in READING:
        assert site.get(path).problem(401) == 'This needs a token with the scope "read".'
        assert site.get(path, bearer("reader")).status == 200
    for path in ("/", "/healthz", "/openapi.json"):
        assert site.get(path).status == 200
    site.p.rows("SELECT 1")
    assert site.get("/readyz").json == {"status": "ready", "hosts": []}
    assert site.get("/readyz", bearer("reader")).json["hosts"] != []
    assert site.get("/readyz", bearer("acme")).json["hosts"] == []


def test_a_bound_token_sees_its_tenant_only(used):
    mine = bearer("acme")
    for path in ("/metrics", "/api/system/config", "/api/system/hosts", "/api/system/catalogue"):
        assert used.get(path, mine).problem(403) == "This is about all tenants, and the token is for one."
    assert [row["tenant"] for row in used.rows("/api/system/tenants", mine)] == ["shop"]
    assert {row["database"] for row in used.rows("/api/system/pools", mine)} == {"shop"}
    said = used.get("/api/system/query-performance", mine)
    assert said.json["tenant"] == "shop" and said.json["bounds"] is None
    assert said.json["history"] == [] and said.json["top_tenants"] == []
    assert b"mill" not in said.body and b"two" not in said.body
    for path in ("/api/system/pools", "/api/system/query-performance", "/api/system/limits", "/api/system/bans",
                 "/api/system/threats"):
        assert used.get(path + "?tenant=shop", mine).status == 200
        # The same whether there is such a tenant or not.
        assert used.get(path + "?tenant=mill", mine).problem(403) == "This token is for another tenant."
        assert used.get(path + "?tenant=nobody", mine).problem(403) == "This token is for another tenant."


@pytest.mark.parametrize("value", [
    "", "Bearer", "Bearer ", "Bearer a b", "Basic " + base64.b64encode(b"reader:x").decode(), "Bearer x, Bearer y",
    "bearerreader-secret-of-this-test", "Token " + SECRETS["reader"]])
def test_other_authorizations(pgusher, value):
    """Nothing is ignored: who shows something wrong is told so, even where nothing is needed."""
    site = Site(pgusher)
    site.get("/healthz", {"Authorization": value}).problem(401)
    assert site.get("/metrics", {"Authorization": "bearer  " + SECRETS["reader"]}).status == 200


def test_wrong_tokens_take_time_and_leave_no_trace(pgusher):
    site = Site(pgusher)
    wrong = "guess-that-nobody-should-read"
    assert [site.get("/metrics", bearer(wrong)).status for _ in range(3)] == [401, 401, 401]
    wait_until(lambda: site.get("/metrics", bearer(wrong)).status == 429, 5, "the next has to wait")
    answer = site.get("/metrics", bearer(wrong))
    if answer.status == 429:
        assert int(answer.headers["retry-after"]) >= 1
    # Many at a time are no faster than one.
    several = [0, 0]

    def guess():
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            status = site.get("/metrics", bearer(wrong)).status
            several[status == 429] += 1
    threads = [threading.Thread(target=guess) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert several[0] <= 4 < several[1], several
    # It is nobody else's fault.
    assert site.get("/metrics", bearer("reader"), source="127.0.0.2").status == 200
    assert site.get("/metrics").status == 200
    log = site.p.log()
    assert "HTTP: a wrong token from 127.0.0.1:" in log
    assert wrong not in log and not any(secret in log for secret in SECRETS.values())
    wait_until(lambda: site.get("/metrics", bearer("reader")).status == 200, 20, "the right token is let in again")


def test_tokens_come_and_go_with_a_reload(pgusher):
    site = Site(pgusher)
    assert site.get("/metrics", bearer("reader")).status == 200
    del site.p.tokens["reader"]
    site.p.change()
    assert site.get("/metrics", bearer("reader")).status == 401


# ---- whom it answers ----

@pytest.mark.parametrize("host,status", [
    ("localhost", 200), ("LOCALHOST.", 200), ("localhost:1", 200), ("127.0.0.1", 200), ("127.0.0.1:99", 200),
    ("[::1]:8432", 200), ("db.example", 200), ("DB.example:80", 200), ("evil.example", 421), ("localhost.evil.example", 421),
    ("localhost:80:80", 421), ("localhost:x", 421), ("[::1", 421), ("[::1]x", 421), ("10.1.2.3", 421), ("", 421),
    ("127.0.0.1.evil.example", 421), (":80", 421), ("db.example.evil", 421)])
def test_only_our_names_are_answered(hosts_site, host, status):
    assert hosts_site.get("/healthz", {"Host": host}).status == status


@pytest.fixture(scope="module")
def hosts_site(module_pgusher):
    return Site(module_pgusher, http_hosts="db.example, other.example",
                http_listen="127.0.0.1:{port}, /tmp/pgu-http-{port}.sock")


def test_unix_socket(hosts_site):
    path = f"/tmp/pgu-http-{hosts_site.port}.sock"
    c = UnixConnection(path, timeout=20 * SLOW)
    try:
        answer = hosts_site.get("/metrics", {"Host": "whatever"}, over=c)
        assert answer.status == 200
        assert hosts_site.ask("POST", RESET, over=c).status == 401
    finally:
        c.close()


@pytest.mark.parametrize("origin,status", [
    ("http://localhost:1", 200), ("https://127.0.0.1", 200), ("https://db.example", 200), ("null", 403),
    ("https://evil.example", 403), ("localhost", 403), ("https://localhost.evil.example", 403)])
def test_pages_of_others_change_nothing(hosts_site, origin, status):
    assert hosts_site.ask("POST", RESET, {**bearer("deploy"), "Origin": origin}).status == status


def test_no_other_page_may_read(site):
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method in ("GET", "OPTIONS"):
        answer = site.ask(method, "/api/system/tenants", headers)
        assert not [h for h in answer.headers if h.startswith("access-control")]


@pytest.mark.parametrize("method,path,allow", [
    ("POST", "/healthz", "GET, HEAD"), ("PUT", "/", "GET, HEAD"), ("DELETE", "/metrics", "GET, HEAD"),
    ("OPTIONS", "/api/system/config", "GET, HEAD"), ("TRACE", "/healthz", "GET, HEAD"), ("PATCH", RESET, "POST"),
    ("GET", RESET, "POST"), ("HEAD", RESET, "POST")])
def test_methods(site, method, path, allow):
    answer = site.ask(method, path)
    assert answer.status == 405 and answer.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/api/system/config", "/nothing"])
def test_head_is_get_without_the_body(site, path):
    c = site.connection()
    whole, head = site.get(path, over=c), site.ask("HEAD", path, over=c)
    assert head.status == whole.status and head.body == b"" and int(head.headers["content-length"]) == len(whole.body)
    for answer in (whole, head):
        answer.headers.pop("date")
    assert head.headers == whole.headers
    assert site.get(path, over=c).status == whole.status
    c.close()


@pytest.mark.parametrize("path", [
    "/nothing", "/api", "/api/", "/API/system/config", "/api/system/config/", "/api/system//config",
    "/api/system/../system/config", "/%61pi/system/config", "/healthz%00", "/..%2f..%2fetc/passwd", "/healthz;x=1"])
def test_other_paths_are_not_there(site, path):
    assert site.get(path).problem(404) == "There is nothing here; /openapi.json tells what there is."


@pytest.mark.parametrize("query,words", [
    ("top=0", "number from 1 to 100"), ("top=101", "number from 1 to 100"), ("top=1e2", "number"), ("top=", "number"),
    ("top=99999999999999999999", "number"), ("top", "number"), ("top=5&top=5", "twice"), ("sort=rank", "one of: total"),
    ("window=1d", "one of: 5m"), ("tenant=", "no value"), ("tenant=%zz", "no text"), ("tenant=%ff", "no text"),
    ("tenant=a%00b", "no text"), ("tenant=%0a", "no text"), ("tenant=%", "no text"), ("tenant=" + "a" * 300, "too long"),
    ("bad=1", 'no parameter "bad" here; what there is: tenant, window, top, sort.'),
    ("%74op=0", "number from 1"), ("%=1", "name of a parameter"),
    ("x" * 100 + "=1", "name of a parameter"), ("Top=1", 'no parameter "Top"')])
def test_parameters(site, query, words):
    assert words in site.get("/api/system/query-performance?" + query).problem(400)


def test_parameters_that_are_fine(used):
    for query in ("", "&", "top=5&", "tenant=%73hop", "tenant=shop&&top=1"):
        assert used.get("/api/system/query-performance?" + query).status == 200, query


def test_a_body_is_not_taken(site):
    assert site.ask("POST", RESET, bearer("deploy"), body=b"{}").problem(400) == "This takes no body."
    assert site.ask("POST", RESET, bearer("deploy"), body=b"").status == 200


# ---- what every answer has ----

def safe(answer, policy="default-src 'none'; frame-ancestors 'none'"):
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"] == policy
    assert "server" not in answer.headers and "content-length" in answer.headers


@pytest.mark.parametrize("path", [*READING, "/healthz", "/openapi.json", "/nothing", "/api/system/tenants?x", RESET])
def test_headers(site, path):
    answer = site.get(path)
    safe(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers


def test_headers_of_the_page(site):
    answer = site.get("/")
    safe(answer, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    assert answer.type == "text/html; charset=utf-8" and answer.headers["cache-control"] == "no-cache"
    again = site.get("/", {"If-None-Match": answer.headers["etag"]})
    assert again.status == 304 and again.body == b"" and again.headers["etag"] == answer.headers["etag"]


# ---- what strangers send ----

GOOD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def request(line=b"GET /healthz HTTP/1.1", *fields, body=b""):
    return b"\r\n".join([line, b"Host: localhost", *fields, b"", b""]) + body


@pytest.mark.parametrize("status,data", [
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), (400, b"\0"), (400, b"\n"), (400, b"GET / HTTP/1.1\n\n"),
    (400, b"GET  / HTTP/1.1\r\n\r\n"), (400, request(b"GET /healthz")), (400, request(b"GET /healthz HTTP/1")),
    (400, request(b"GET /healthz HTTP/1.1 ")), (400, request(b"GET healthz HTTP/1.1")),
    (400, request(b"GET http://localhost/ HTTP/1.1")), (400, request(b"GET //localhost/healthz HTTP/1.1")),
    (400, request(b"GET /\x80 HTTP/1.1")), (400, request(b"GET /# HTTP/1.1")), (400, request(b"OPTIONS * HTTP/1.1")),
    (400, request(b"G@T / HTTP/1.1")), (501, request(b"BREW / HTTP/1.1")), (501, request(b"get / HTTP/1.1")),
    (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), (505, request(b"GET / HTTP/1.2")), (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, request(b"GET / HTTP/1.1", b"Host: localhost")), (400, request(b"GET / HTTP/1.1", b" folded: yes")),
    (400, request(b"GET / HTTP/1.1", b"X: a", b"\tb")), (400, request(b"GET / HTTP/1.1", b"no colon")),
    (400, request(b"GET / HTTP/1.1", b"Space : x")), (400, request(b"GET / HTTP/1.1", b": x")),
    (400, request(b"GET / HTTP/1.1", b"X: a\0b")), (400, request(b"GET / HTTP/1.1", b"X: a\rb")),
    (400, request(b"GET / HTTP/1.1", b"X: a\nb")),
    (431, request(b"GET / HTTP/1.1", b"X: " + b"a" * 9000)), (431, request(b"GET /" + b"a" * 9000 + b" HTTP/1.1")),
    (431, b"GET /" + b"a" * 300000), (431, request(b"GET / HTTP/1.1", *[b"X: y"] * 3000)),
    # whose end two readers could see in two places
    (400, request(b"GET /healthz HTTP/1.1", b"Content-Length: 5", body=b"GET /")),
    (400, request(b"POST " + RESET.encode() + b" HTTP/1.1", b"Content-Length: 4", b"Content-Length: 5", body=b"abcde")),
    (400, request(b"POST / HTTP/1.1", b"Content-Length: +4", body=b"abcd")),
    (400, request(b"POST / HTTP/1.1", b"Content-Length: 0x4", body=b"abcd")),
    (400, request(b"POST / HTTP/1.1", b"Content-Length: 4, 4", body=b"abcd")),
    (400, request(b"POST / HTTP/1.1", b"Content-Length: -1")), (400, request(b"POST / HTTP/1.1", b"Content-Length:")),
    (400, request(b"POST / HTTP/1.1", b"Content-Length: 99999999999999999999999")),
    (501, request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n")),
    (501, request(b"POST / HTTP/1.1", b"Content-Length: 5", b"Transfer-Encoding: identity", body=b"abcde")),
    (417, request(b"POST / HTTP/1.1", b"Content-Length: 5", b"Expect: 100-continue", body=b"abcde")),
    (413, request(b"POST / HTTP/1.1", b"Content-Length: 65537", body=b"x" * 65537)),
    (413, request(b"POST / HTTP/1.1", b"Content-Length: 1000000", body=b"x" * 1000000)),
    (413, request(b"POST / HTTP/1.1", b"Content-Length: 900000000000", body=b"x" * 100)),
])
def test_what_is_no_request(site, status, data):
    """One answer, in the form of all of them, and the end; nothing behind it is read as a request."""
    answer = site.talk(data + GOOD if status not in (413, 431) else data)
    assert heads(answer)[:1] == [status] and len(heads(answer)) == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head and b"application/problem+json" in head and b"nosniff" in head
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize("data", [
    b"\r\n" + GOOD, request(b"GET /healthz HTTP/1.1", b"X:", b"Y: \t ", b"Z: caf\xc3\xa9 \xff"),
    request(b"GET /healthz HTTP/1.1", b"Content-Length: 0"), b"GET /healthz HTTP/1.0\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"])
def test_what_is_one(site, data):
    answer = site.talk(data, half_close=True)
    assert heads(answer) == [200] and b"Content-Length: 16\r\n" in answer


def test_a_request_in_pieces(site):
    for size in (1, 7):
        with site.raw() as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at in range(0, len(LAST), size):
                s.sendall(LAST[at:at + size])
            assert heads(read_to_end(s)) == [200]


def test_pipelining(site):
    mixed = GOOD + request(b"GET /nothing HTTP/1.1") + request(b"GET /api/system/tenants HTTP/1.1") + \
        request(b"HEAD /healthz HTTP/1.1") + request(b"POST " + RESET.encode() + b" HTTP/1.1", b"Content-Length: 3",
                                                     body=b"abc") + LAST
    assert heads(site.talk(mixed)) == [200, 404, 200, 200, 401, 200]
    assert heads(site.talk(GOOD * 500 + LAST)) == [200] * 501


def test_half_a_client_gets_its_answer(site):
    """`printf ... | nc -N`: it has ended its half before the report is made."""
    answer = site.talk(request(b"GET /api/system/query-performance HTTP/1.1"), half_close=True)
    assert heads(answer) == [200] and json.loads(answer.partition(b"\r\n\r\n")[2])["tenant"] is None


def test_clients_that_leave(site):
    for path in (b"/api/system/query-performance", b"/readyz", b"/metrics", b"/api/system/pools"):
        for _ in range(30):
            with site.raw(request(b"GET " + path + b" HTTP/1.1")) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert site.get("/healthz").status == 200


def test_a_trickle_is_cut_off(site):
    start = time.monotonic()
    with site.raw() as s:
        s.settimeout(0.2)
        answer = b""
        for byte in request(b"GET /healthz HTTP/1.1", b"X: " + b"a" * 200):
            with contextlib.suppress(OSError):
                s.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError, ConnectionError):
                part = s.recv(4096)
                if not part:
                    break
                answer += part
    assert heads(answer) == [408] and time.monotonic() - start >= 4.5


def test_silence_and_idleness_are_cut_off(site):
    start = time.monotonic()
    with site.raw() as silent, site.raw(GOOD) as idle, site.raw(b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
                                                                b"Content-Length: 10\r\n\r\nabc") as half:
        assert read_to_end(silent) == b""
        assert heads(read_to_end(idle)) == [200]
        assert heads(read_to_end(half)) == [408]
    assert time.monotonic() - start >= 4.5


def test_a_client_that_does_not_read_is_cut_off(site):
    ask = request(b"GET /openapi.json HTTP/1.1")
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(20 * SLOW)
        s.connect(("127.0.0.1", site.port))
        start = time.monotonic()
        with contextlib.suppress(ConnectionError, TimeoutError):
            while time.monotonic() - start < 30 * SLOW:
                s.sendall(ask)
        assert 4.5 <= time.monotonic() - start <= 18 * SLOW
    assert site.get("/healthz").status == 200


def is_closed(s):
    s.setblocking(False)
    try:
        read_to_end(s)
        return True
    except BlockingIOError:
        return False


def test_many_connections_starve_nobody(site):
    """Idle ones go at once, slow ones after half a second."""
    for data in (b"", GOOD, b"GET /healthz HTTP/1.1\r\nX: "):
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(site.raw(data)) for _ in range(60)]
            start = time.monotonic()
            for _ in range(5):
                assert site.get("/healthz").status == 200
            assert time.monotonic() - start < 3 * SLOW
            assert sum(is_closed(s) for s in crowd) >= 60 - 32
    assert site.get("/metrics").status == 200


def test_a_crowd_is_served(site):
    """More at a time than there may be connections: all are answered. One that is slow may have to go for others, and all
    are when the machine stands still; that doesn't happen to anybody again and again."""
    failed = []

    def ask(tries=5):
        try:
            return site.get("/api/system/tenants").status
        except http.client.RemoteDisconnected:
            if tries == 1:
                raise
        return ask(tries - 1)

    def ask_often():
        for _ in range(20):
            try:
                if ask() != 200:
                    failed.append("status")
            except (OSError, http.client.HTTPException) as e:
                failed.append(repr(e))
    threads = [threading.Thread(target=ask_often) for _ in range(50)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[:5]


# ---- where it listens ----

def test_off_unless_asked_for(pgusher):
    p = pgusher()
    assert "HTTP" not in p.log()


def test_addresses_change_with_a_reload(pgusher):
    site = Site(pgusher)
    old, new = site.port, free_port()
    with site.raw(GOOD) as s:
        site.p.change(http_listen=f"127.0.0.1:{new}")
        site.port = new
        assert site.get("/healthz").status == 200
        assert heads(read_to_end(s)) == [200]  # and it is closed
    site.port = old
    with pytest.raises(ConnectionRefusedError):
        site.get("/healthz")
    site.p.change(http_listen=f"127.0.0.1:{new}, 127.0.0.1:{old}")
    assert site.get("/healthz").status == 200
    site.p.change(http_listen="")
    with pytest.raises(ConnectionRefusedError):
        site.get("/healthz")


def test_an_address_that_is_taken_is_tried_again(pgusher):
    """As after a restart, when the old process has it still."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        p = pgusher(http_listen=f"127.0.0.1:{port}")
        assert "it is tried again" in p.log()
    with p.logs(rf"HTTP: listening on 127\.0\.0\.1:{port} now", 10):
        pass
    with socket.create_connection(("127.0.0.1", port), 20) as s:
        s.sendall(GOOD)
        assert b" 200 " in s.recv(4096)
    assert p.log().count("cannot listen on") == 1


def test_an_address_that_is_taken_leaves_the_old_one(pgusher):
    site = Site(pgusher)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with site.p.logs(r"cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
            site.p.change(http_listen=f"127.0.0.1:{free_port()}, 127.0.0.1:{taken.getsockname()[1]}")
        assert site.get("/healthz").status == 200
    assert site.p.log().count("HTTP: listening on") == 2 and "no longer listening" in site.p.log()


def test_ends_with_the_process(pgusher):
    site = Site(pgusher)
    with site.raw(GOOD) as s, site.raw(b"GET /hea") as half:
        assert site.get("/healthz").status == 200
        site.p.quit()
        assert heads(read_to_end(s)) == [200]
        assert read_to_end(half) == b""


def test_not_ready_while_shutting_down(pgusher):
    site = Site(pgusher)
    with site.p.connect() as c:
        c.execute("SELECT 1")
        site.p.signal(15)
        answer = wait_until(lambda: (a := site.get("/readyz")).status == 503 and a, 10, "it says so")
        assert answer.json["status"] == "not ready"
        assert site.get("/healthz").status == 200
    site.p.wait_exit()


# ---- TLS ----

@pytest.fixture(scope="module")
def secure(module_pgusher, certs):
    return Site(module_pgusher, http_tls_cert_file=certs.server.cert, http_tls_key_file=certs.server.key,
                http_listen="127.0.0.1:{port}, /tmp/pgu-https-{port}.sock")


def trusting(certs):
    context = ssl.create_default_context(cafile=str(certs.ca.cert))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_tls(secure, certs):
    for path in READING + ["/healthz", "/"]:
        answer = secure.get(path, bearer("reader"), host="localhost", tls=trusting(certs))
        assert answer.status == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    c = secure.connection(host="localhost", tls=trusting(certs))
    for _ in range(5):
        assert secure.get("/healthz", over=c).status == 200
    assert c.sock.selected_alpn_protocol() == "http/1.1" and c.sock.version() == "TLSv1.3"
    c.close()


def test_tls_is_not_spoken_on_unix_sockets(secure):
    c = UnixConnection(f"/tmp/pgu-https-{secure.port}.sock", timeout=20 * SLOW)
    answer = secure.get("/healthz", over=c)
    assert answer.status == 200 and "strict-transport-security" not in answer.headers
    c.close()


def test_plain_is_not_spoken_with_tls(secure):
    assert heads(secure.talk(GOOD)) == []
    start = time.monotonic()
    with secure.raw() as s:  # no handshake
        assert read_to_end(s) == b""
    assert time.monotonic() - start <= 15 * SLOW


def test_hostile_over_tls(secure, certs):
    context = trusting(certs)
    for status, data in ((400, b"\0"), (431, request(b"GET /" + b"a" * 20000 + b" HTTP/1.1")), (413, request(
            b"POST / HTTP/1.1", b"Content-Length: 100000", body=b"x" * 100000)), (200, LAST)):
        with secure.raw() as plain, context.wrap_socket(plain, server_hostname="localhost") as s:
            s.sendall(data)
            assert heads(read_to_end(s)) == [status]


def test_large_answers_and_pipelines_over_tls(secure, certs):
    with secure.raw() as plain, trusting(certs).wrap_socket(plain, server_hostname="localhost") as s:
        def send():
            s.sendall(request(b"GET /openapi.json HTTP/1.1") * 50 + LAST)
        sender = threading.Thread(target=send)
        sender.start()
        assert heads(read_to_end(s)) == [200] * 51
        sender.join()


def test_a_new_certificate_needs_a_reload_only(pgusher, certs):
    mine = certs.ca.issue("localhost", hosts=["localhost"], addresses=["127.0.0.1"])
    site = Site(pgusher, http_tls_cert_file=certs.server.cert, http_tls_key_file=certs.server.key)

    def serial():
        with socket.create_connection(("127.0.0.1", site.port)) as plain:
            with trusting(certs).wrap_socket(plain, server_hostname="localhost") as s:
                return s.getpeercert()["serialNumber"]
    before = serial()
    site.p.change(http_tls_cert_file=mine.cert, http_tls_key_file=mine.key)
    assert serial() != before


def test_others_need_tls_and_a_token(pgusher, certs):
    p = pgusher(start=False, http_listen=f"0.0.0.0:{free_port()}", tokens={})
    process = p.spawn()
    assert process.wait(30 * SLOW) == 1
    assert "can be reached from other machines, so it needs TLS and a token" in p.output()
