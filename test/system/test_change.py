"""One connection, many tenants: SET pgusher.tenant."""

import threading

import psycopg
import pytest

import wire
from helpers import make_dir, wait_until

pytestmark = pytest.mark.ours("SET pgusher.tenant")

TENANTS = ["shop", "mill", "forge"] + [f"t{i}" for i in range(1, 9)]


@pytest.fixture(scope="module", params=[1, 4])
def house(request, module_pgusher):
    return module_pgusher(pool_mode="transaction", workers=request.param, default_pool_size=2,
                          users={"app": "tenants=*", "scramuser": "tenants=mill"})


def who(c):
    return c.execute("SELECT current_database()").fetchone()[0]


def go(c, tenant):
    c.execute(f"SET pgusher.tenant = '{tenant}'")


def shown(c):
    return c.execute("SHOW pgusher.tenant").fetchone()[0]


def test_round_and_round(house):
    with house.connect() as c:
        for _ in range(5):
            for t in TENANTS:
                go(c, t)
                assert (who(c), shown(c)) == (t, t)
        c.execute("RESET pgusher.tenant")
        assert who(c) == "shop"
    wait_until(lambda: not house.clients("shop"))


def test_simple_protocol_and_spellings(house):
    with house.wire() as c:
        c.login("shop", "app")
        for text, tag in (("SET pgusher.tenant TO mill", "SET"), ("set session PGUSHER.TENANT = 'forge';", "SET"),
                          ("SET pgusher.tenant TO DEFAULT", "RESET"), ("RESET pgusher.tenant", "RESET")):
            c.send(wire.query(text))
            messages = c.until_ready()
            assert [m.kind for m in messages if m.kind != "S"] == ["C", "Z"]
            assert next(m for m in messages if m.kind == "C").strings[0] == tag
        c.send(wire.query("SHOW pgusher.tenant"))
        messages = c.until_ready()
        assert wire.kinds(messages) == "TDCZ" and messages[1].row == ["shop"]


@pytest.mark.parametrize("text", ["SET pgusher.tenant = 'mill'", "  \n set pgusher.tenant to mill", "/* */ SET pgusher.tenant = mill"])
def test_in_pieces(house, text):
    """However it is cut: none of it reaches PostgreSQL, which would take it for a setting of its own."""
    with house.wire() as c:
        c.login("shop", "app")
        c.send(wire.query(text), piece=1, pause=0.005)
        assert wire.kinds(c.until_ready()).endswith("CZ")
        assert c.query("SELECT current_database()")[0][0] == "mill"
        c.send(wire.parse("", "RESET pgusher.tenant"), wire.bind("", ""), wire.execute(), wire.SYNC, piece=3, pause=0.002)
        assert wire.kinds(c.until_ready()).endswith("CZ")
        assert c.query("SELECT current_database()")[0][0] == "shop"


def test_prepared_set_again_and_again(house):
    """Drivers prepare what comes often, and bind it later by its name."""
    with house.connect(prepare_threshold=0) as c:
        for t in TENANTS * 3:
            go(c, t)
            assert who(c) == t


def test_prepared_statements_go_along(house):
    with house.wire() as c:
        c.login("shop", "app")
        c.send(wire.parse("q", "SELECT tenant FROM who"), wire.SYNC)
        c.until_ready()
        for t in TENANTS:
            c.send(wire.query(f"SET pgusher.tenant = '{t}'"))
            c.until_ready()
            c.send(wire.bind("", "q"), wire.execute(), wire.SYNC)
            messages = c.until_ready()
            assert [m.row for m in messages if m.kind == "D"] == [[t]]


def test_bytes_behind_it_come_along(house):
    with house.wire() as c:
        c.login("shop", "app")
        c.send(*[part for t in TENANTS for part in (wire.query(f"SET pgusher.tenant = {t}"), wire.query("SELECT tenant FROM who"))])
        for t in TENANTS:
            assert "C" in wire.kinds(c.until_ready())
            assert [m.row for m in c.until_ready() if m.kind == "D"] == [[t]]


def test_no_state_goes_along(house):
    with house.connect() as c:
        c.execute("SET search_path = pg_catalog")
        c.execute("SET TimeZone = 'Asia/Tokyo'")
        c.execute("SET statement_timeout = 4711")
        c.execute("CREATE TEMP TABLE mine (x int)")
        c.execute("PREPARE p AS SELECT 1")
        go(c, "mill")
        assert c.info.parameter_status("TimeZone") == "UTC"
        assert c.execute("SHOW TimeZone").fetchone()[0] == "UTC"
        assert c.execute("SHOW statement_timeout").fetchone()[0] == "0"
        assert "public" in c.execute("SHOW search_path").fetchone()[0]
        with pytest.raises(psycopg.errors.UndefinedTable):
            c.execute("SELECT * FROM mine")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            c.execute("EXECUTE p")


def test_startup_parameters_do(house):
    with house.connect(options="-c TimeZone=Europe/Berlin", application_name="erp") as c:
        c.execute("SET TimeZone = 'Asia/Tokyo'")
        go(c, "mill")
        assert c.execute("SHOW TimeZone").fetchone()[0] == "Europe/Berlin"
        assert c.info.parameter_status("TimeZone") == "Europe/Berlin"
        assert c.execute("SHOW application_name").fetchone()[0] == "erp"


@pytest.mark.parametrize("text", ["SET pgusher.tenant = 'mill'", "RESET pgusher.tenant"])
def test_not_in_a_transaction(house, text):
    with house.connect() as c:
        c.execute("BEGIN")
        c.execute("SELECT 1")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction):
            c.execute(text)
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            c.execute("SELECT 1")
        c.execute("ROLLBACK")
        assert who(c) == "shop"
    with house.wire() as w:
        w.login("shop", "app")
        w.send(wire.query("BEGIN"))
        w.until_ready()
        w.send(wire.query(text))
        messages = w.until_ready()
        assert wire.kinds(messages) == "EZ" and messages[0].code == "25001" and messages[1].raw[-1:] == b"E"


def test_show_in_a_transaction(house):
    with house.wire() as w:
        w.login("shop", "app")
        w.send(wire.query("BEGIN"))
        w.until_ready()
        w.send(wire.query("SHOW pgusher.tenant"))
        messages = w.until_ready()
        assert wire.kinds(messages) == "TDCZ" and messages[-1].raw[-1:] == b"T"


@pytest.mark.parametrize("text", ["SET pgusher.tenant = 'mill'; SELECT 1", "SET LOCAL pgusher.tenant = 'mill'",
                                  "SET pgusher.tenant = 'a', 'b'", "SELECT 1; SET pgusher.tenant = 'mill'",
                                  "BEGIN; SET \"pgusher\".tenant = 'mill'; COMMIT", ";;SELECT 1;RESET pgusher.tenant"])
@pytest.mark.parametrize("simple", [True, False])
def test_only_by_itself(house, text, simple):
    with house.wire() as w:
        w.login("shop", "app")
        w.send(*([wire.query(text)] if simple else [wire.parse("", text), wire.bind(), wire.execute(), wire.SYNC]))
        messages = w.until_ready()
        assert wire.kinds(messages) == "EZ" and messages[0].code == "0A000"
        w.send(wire.query("SELECT tenant FROM who"))
        assert w.until_ready()[1].row == ["shop"]


@pytest.mark.parametrize("length,piece", [(0, 1), (1500, 300), (10000, 4000)])
def test_hidden_in_pieces(house, length, piece):
    with house.wire() as w:
        w.login("shop", "app")
        w.send(wire.query(f"SELECT 1 /* {'x' * length} */; SET pgusher.tenant = 'mill'"), piece=piece, pause=0.002)
        assert w.until_ready()[0].code == "0A000"


@pytest.mark.parametrize("text", ["; SET pgusher.tenant = mill", "\f\vSET pgusher.tenant = mill",
                                  "SET \"PGusher\".\"tenant\" = mill", 'SET "pgusher.tenant" TO mill'])
def test_however_it_is_written(house, text):
    with house.wire() as w:
        w.login("shop", "app")
        w.send(wire.query(text), wire.query("SELECT current_database()"))
        assert wire.kinds(w.until_ready()).endswith("CZ")
        assert w.until_ready()[1].row == ["mill"]


@pytest.mark.parametrize("simple", [True, False])
@pytest.mark.parametrize("text,tag", [("RESET ALL", "RESET"), ("discard all;", "DISCARD ALL")])
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_an_application_s_pool_takes_it_back(pgusher, mode, text, tag, simple):
    """What is sent when a connection is given back: who has it next finds it where it logged in."""
    p = pgusher(pool_mode=mode, workers=2, users={"app": "tenants=*"})
    with p.wire() as w:
        w.login("shop", "app")
        for tenant in ("mill", "shop"):
            w.query(f"SET pgusher.tenant = '{tenant}'")
            w.ask(wire.parse("mine", "SELECT current_database()"), wire.SYNC)
            w.query("SET statement_timeout = 4711")
            reply = w.ask(*([wire.query(text)] if simple else [wire.parse("", text), wire.bind(), wire.execute(), wire.SYNC]))
            assert [m.strings[0] for m in reply if m.kind == "C"] == [tag]
            assert w.query("SELECT current_database()") == [["shop"]] and w.query("SHOW statement_timeout") == [["0"]]
            forgotten = w.ask(wire.bind("", "mine"), wire.execute(), wire.SYNC)
            assert mode == "session" or ("E" in wire.kinds(forgotten)) == (tag == "DISCARD ALL")
            w.ask(wire.close("S", "mine"), wire.SYNC)


def test_all_is_reset_by_what_was_prepared_at_home(house):
    with house.wire() as w:
        w.login("shop", "app")
        w.ask(wire.parse("reset", "RESET ALL"), wire.SYNC)
        for _ in range(2):
            assert wire.kinds(w.ask(wire.bind("", "reset"), wire.execute(), wire.SYNC)) == "2CZ"
            assert w.query("SELECT current_database()") == [["shop"]]
            w.query("SET pgusher.tenant = 'mill'")


def test_all_is_reset_in_a_transaction_or_among_others(house):
    with house.wire() as w:
        w.login("shop", "app")
        together = wire.query("CLOSE ALL; UNLISTEN *; RESET ALL;")
        assert wire.kinds(w.ask(together))[-2:] == "CZ"
        w.query("SET pgusher.tenant = 'mill'")
        w.query("BEGIN")
        assert [m.strings[0] for m in w.ask(wire.query("RESET ALL")) if m.kind == "C"] == ["RESET"]
        w.query("COMMIT")
        assert w.query("SELECT current_database()") == [["mill"]]
        assert w.ask(together)[0].code == "0A000"
        w.query("RESET ALL")
        assert w.query("SELECT current_database()") == [["shop"]]


def test_among_other_requests_of_a_cycle(house):
    with house.wire() as w:
        w.login("shop", "app")
        w.send(wire.parse("", "SELECT 1"), wire.bind(), wire.execute(), wire.parse("", "SET pgusher.tenant = 'mill'"),
               wire.bind(), wire.execute(), wire.SYNC)
        messages = w.until_ready()
        assert wire.kinds(messages) == "12DCEZ" and messages[4].code == "25001"
        w.send(wire.parse("", "SET pgusher.tenant = 'mill'"), wire.bind(), wire.execute(), wire.parse("", "SELECT 1"),
               wire.bind(), wire.execute(), wire.SYNC)
        messages = w.until_ready()
        assert wire.kinds(messages) == "12EZ" and messages[2].code == "0A000"
        w.send(wire.query("SELECT tenant FROM who"))
        assert w.until_ready()[1].row == ["shop"]


def test_behind_a_pipeline(house):
    """What was asked before is answered first, by the old tenant."""
    with house.wire() as w:
        w.login("shop", "app")
        w.send(*[wire.query("SELECT tenant FROM who")] * 5, wire.query("SET pgusher.tenant = 'mill'"),
               *[wire.query("SELECT tenant FROM who")] * 5)
        rows = []
        for _ in range(11):
            rows += [m.row[0] for m in w.until_ready() if m.kind == "D"]
        assert rows == ["shop"] * 5 + ["mill"] * 5


def test_who_may(house):
    with house.connect(user="scramuser") as c:
        go(c, "mill")
        assert who(c) == "mill"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            go(c, "forge")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            go(c, "nowhere")
        go(c, "shop")  # where it logged in
        assert who(c) == "shop"
    with house.connect(user="md5user") as c:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            go(c, "mill")
        assert who(c) == "shop"


def test_rules_of_the_new_tenant(pgusher):
    """It is let in there by the method that it has used, or not at all."""
    hba = make_dir("pgu-hba-") / "hba"
    hba.write_text("local all admin trust\nhost shop,mill all all scram-sha-256\nhost forge all all trust\n"
                   "host t1 all all md5\nhost t2 all all reject\n")
    p = pgusher(pool_mode="transaction", workers=2, auth_type="hba", auth_hba_file=hba, users={"scramuser": "tenants=*"})
    with p.connect(user="scramuser") as c:
        for tenant in ("mill", "forge", "shop"):
            go(c, tenant)
            assert who(c) == tenant
        for tenant in ("t1", "t2", "t3"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as e:
                go(c, tenant)
            assert "hba" in e.value.diag.message_hint
            assert who(c) == "shop"


def test_no_room_for_its_statements(pgusher):
    """They come along within prepared_text_budget of the new tenant, or the session stays where it is."""
    p = pgusher(pool_mode="transaction", workers=2, users={"app": "tenants=*"}, prepared_text_budget=65536)

    def prepare(c, letter):
        sql = f"SELECT current_database() /* {letter * 25000} */"
        return lambda: c.execute(sql, prepare=True).fetchone()[0]

    with p.connect(prepare_threshold=5) as a, p.connect("mill", prepare_threshold=5) as b:
        ask_a, ask_b, ask_more = prepare(a, "a"), prepare(b, "b"), prepare(b, "c")
        assert (ask_a(), ask_b(), ask_more()) == ("shop", "mill", "mill")
        with pytest.raises(psycopg.Error) as e:
            go(a, "mill")
        assert e.value.sqlstate == "53400" and "prepared" in str(e.value)
        assert ask_a() == "shop"
        go(a, "forge")
        assert ask_a() == "forge"


@pytest.mark.parametrize("tenant,code", [("nowhere", "3D000"), ("pgbouncer", "22023"), ("../x", "22023"), ("", "22023")])
def test_where_there_is_none(house, tenant, code):
    with house.connect() as c:
        c.execute("SET TimeZone = 'Asia/Tokyo'")
        with pytest.raises(psycopg.Error) as e:
            go(c, tenant)
        assert e.value.sqlstate == code
        assert who(c) == "shop"
        assert c.execute("SHOW TimeZone").fetchone()[0] == "Asia/Tokyo"


def test_a_tenant_that_is_down(pgusher):
    p = pgusher(pool_mode="transaction", workers=2, users={"app": "tenants=*"},
                databases={"gone": "{pg} dbname=does_not_exist"})
    with p.connect() as c:
        c.execute("SET TimeZone = 'Asia/Tokyo'")
        for _ in range(3):
            with pytest.raises(psycopg.Error):
                go(c, "gone")
            assert who(c) == "shop"
            assert c.execute("SHOW TimeZone").fetchone()[0] == "Asia/Tokyo"
        go(c, "mill")
        assert who(c) == "mill"


@pytest.mark.parametrize("workers", [1, 4])
def test_cancelled_while_it_waits(pgusher, workers):
    """The session is where it was, and goes on."""
    p = pgusher(pool_mode="transaction", workers=workers, users={"app": "tenants=*"})
    p.console("PAUSE mill")
    with p.wire() as c:
        c.login("shop", "app")
        for _ in range(3):
            c.send(wire.query("SET pgusher.tenant = 'mill'"))
            wait_until(lambda: [r for r in p.console("SHOW CLIENTS") if r["database"] == "mill"])
            c.cancel()
            messages = c.until_ready()
            assert wire.kinds(messages) == "EZ" and messages[0].code == "57014"
            c.send(wire.query("SELECT tenant FROM who"))
            assert c.until_ready()[1].row == ["shop"]
        p.console("RESUME mill")
        c.send(wire.query("SET pgusher.tenant = 'mill'"), wire.query("SELECT tenant FROM who"))
        c.until_ready()
        assert [m.row for m in c.until_ready() if m.kind == "D"] == [["mill"]]


def test_disabled_and_full(pgusher):
    p = pgusher(pool_mode="transaction", users={"app": "tenants=*"}, databases={"mill": "{pg} max_db_client_connections=1"})
    p.console("DISABLE forge")
    with p.connect() as c, p.connect(dbname="mill"):
        with pytest.raises(psycopg.Error, match="disabled"):
            go(c, "forge")
        with pytest.raises(psycopg.Error, match="max_db_client_connections"):
            go(c, "mill")
        assert who(c) == "shop"


def test_session_mode(pgusher):
    p = pgusher(pool_mode="session", workers=2, users={"app": "tenants=*"})
    with p.connect() as c:
        c.execute("SET statement_timeout = 4711")
        go(c, "mill")
        assert who(c) == "mill"
        assert c.execute("SHOW statement_timeout").fetchone()[0] == "0"
        go(c, "shop")
        assert c.execute("SHOW statement_timeout").fetchone()[0] == "0"


def test_many_clients_to_and_fro(house):
    """Counts come out even, and nobody gets another tenant's answer."""
    failures = []

    def run(n):
        try:
            with house.connect() as c:
                for i in range(60):
                    t = TENANTS[(n * 7 + i) % len(TENANTS)]
                    go(c, t)
                    if who(c) != t:
                        failures.append((n, i))
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not failures
    wait_until(lambda: not [r for r in house.console("SHOW CLIENTS") if r["database"] in TENANTS])


def test_clients_that_leave_on_the_way(house):
    for i in range(100):
        with house.wire() as c:
            c.login("shop", "app")
            c.send(wire.query(f"SET pgusher.tenant = '{TENANTS[i % len(TENANTS)]}'"))
            if i % 2:
                c.reset()
    wait_until(lambda: not [r for r in house.console("SHOW CLIENTS") if r["database"] in TENANTS])


# ---- among messages that need no server ----

@pytest.mark.parametrize("cycle", ["simple", "extended"])
def test_behind_what_is_answered_here(pgusher, cycle):
    """Our own answers of the same bytes come first."""
    p = pgusher(pool_mode="transaction", users={"app": "tenants=*"})
    show = [wire.query("SHOW pgusher.tenant")] if cycle == "simple" else \
        [wire.parse("", "SHOW pgusher.tenant"), wire.bind(), wire.describe("P"), wire.execute(), wire.SYNC]
    kinds = "TDCZ" if cycle == "simple" else "12TDCZ"
    with p.wire("shop") as c:
        for _ in range(3):
            assert wire.kinds(c.ask(wire.close("S", "x"), *show)) == "3" + kinds
            assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["shop"]
        c.ask(wire.parse("q", "SELECT tenant FROM who"), wire.SYNC)
        c.ask(wire.bind("", "q"), wire.execute(), wire.SYNC)
        assert wire.kinds(c.ask(wire.parse("r", "SELECT tenant FROM who"), *show)) == "1" + kinds
        assert [m.row for m in c.ask(wire.bind("", "r"), wire.execute(), wire.SYNC) if m.kind == "D"] == [["shop"]]
        assert wire.kinds(c.ask(wire.close("S", "r"), wire.query("SET pgusher.tenant = 'mill'"))) == "3CZ"
        assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["mill"]


@pytest.mark.parametrize("text", ["SHOW pgusher.tenant", "SET pgusher.tenant = 'nowhere'"])
def test_nothing_runs_on_when_it_is_over(pgusher, text):
    """No server is lent to who is idle behind it, and no query is under way."""
    p = pgusher(pool_mode="transaction", users={"app": "tenants=*"}, query_timeout=1, sections={"limits": {"tenant": "active=5"}})

    def used():
        return [r["used"] for r in p.console("SHOW LIMITS") if (r["kind"], r["name"]) == ("active", "shop")]

    with p.wire("shop") as c:
        c.query("SELECT 1")
        c.send(wire.close("S", "x"), wire.FLUSH)
        c.expect("3")
        c.ask(wire.parse("", text), wire.bind(), wire.execute(), wire.SYNC)
        wait_until(lambda: p.pool("shop")["sv_active"] == 0)
        assert used() in ([], [0])
        with p.wire("shop") as other:
            other.send(wire.query("SELECT pg_sleep(30)"))
            other.until_closed()  # by query_timeout
        assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["shop"]


# ---- what a cycle may have in it ----

def test_longer_than_any_command(house):
    """It is refused where it is prepared, not passed on."""
    with house.wire("shop") as c:
        c.ask(wire.parse("a", "SHOW pgusher.tenant"), wire.SYNC)
        for size in (*range(1005, 1032), 5000):
            c.ask(wire.parse("", "SET pgusher.tenant = 'shop', 'x'".ljust(size)), wire.SYNC)
            messages = c.ask(wire.bind(), wire.execute(), wire.SYNC)
            assert wire.kinds(messages) == "EZ", (size, messages)
        assert [m.row for m in c.ask(wire.bind("", "a"), wire.execute(), wire.SYNC) if m.kind == "D"] == [["shop"]]
        for size in (*range(1005, 1032), 5000):
            taken = wire.kinds(c.ask(wire.parse("", "SET pgusher.tenant = 'mill'".ljust(size)), wire.SYNC)) == "1Z"
            assert wire.kinds(c.ask(wire.bind(), wire.execute(), wire.SYNC)) == ("2CZ" if taken else "EZ")
            tenant = c.ask(wire.query("SELECT tenant FROM who"))[1].row
            assert taken == (size <= 1015) and tenant == (["mill"] if taken else ["shop"]), size
            c.ask(wire.query("RESET pgusher.tenant"))


def test_without_end(house):
    """The rows of a cycle whose Sync doesn't come are not kept for it."""
    with house.wire("shop") as c:
        c.send(wire.parse("", "SHOW pgusher.tenant"), wire.bind(), *[wire.execute()] * 2000)
        assert [c.receive().kind for _ in range(4)] == ["1", "2", "D", "C"]
        c.send(wire.SYNC)
        assert wire.kinds(c.until_ready()) == "DC" * 1999 + "Z"


def test_another_statement_in_its_cycle(house):
    """It is run, or refused; never taken for the other one."""
    at_mill = [wire.parse("", "SET pgusher.tenant = 'mill'"), wire.SYNC]

    def refused(c, *cycle):
        messages = c.ask(*cycle, wire.SYNC)
        assert wire.kinds(messages).endswith("EZ") and messages[-2].code == "0A000", messages
        assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["shop"]

    with house.wire("shop") as c:
        for name, text in (("q", "SELECT tenant FROM who"), ("show", "SHOW pgusher.tenant"),
                           ("mill", "SET pgusher.tenant = 'mill'"), ("forge", "SET pgusher.tenant = 'forge'")):
            assert wire.kinds(c.ask(wire.parse(name, text), wire.SYNC)) == "1Z"
        refused(c, wire.parse("", "SET pgusher.tenant = 'mill'"), wire.bind("", "q"), wire.execute())
        refused(c, wire.parse("", "SET pgusher.tenant = 'mill'"), wire.describe("S", "q"))
        refused(c, wire.bind("", "mill"), wire.execute(), wire.bind("", "q"), wire.execute())
        refused(c, wire.bind("", "mill"), wire.execute(), wire.bind("", "forge"), wire.execute())
        refused(c, wire.bind("", "mill"), wire.execute(), wire.bind("", "show"), wire.execute())
        refused(c, wire.bind("", "mill"), wire.bind("", "forge"), wire.execute())
        refused(c, wire.bind("", "show"), wire.execute(), wire.bind("", "mill"), wire.execute())
        refused(c, wire.bind("", "mill"), wire.execute(), wire.execute())
        messages = c.ask(*at_mill[:1], wire.execute("other"), wire.SYNC)
        assert wire.kinds(messages) == "1EZ" and messages[1].code == "34000"
        messages = c.ask(wire.bind("a", "mill"), wire.execute("b"), wire.SYNC)
        assert wire.kinds(messages) == "2EZ" and messages[1].code == "34000"
        # Only prepared.
        assert wire.kinds(c.ask(wire.parse("", "SHOW pgusher.tenant"), wire.parse("m", "SET pgusher.tenant = 'mill'"),
                                wire.describe("S", "show"), wire.describe("S", "m"), wire.SYNC)) == "11tTtnZ"
        assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["shop"]
        # The last of those that were prepared, and by another portal's name.
        assert wire.kinds(c.ask(wire.bind("a", "m"), wire.describe("P", "a"), wire.execute("a"), wire.SYNC)) == "2nCZ"
        assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["mill"]
        messages = c.ask(*[wire.bind("", "show"), wire.execute()] * 3, wire.SYNC)
        assert [m.row for m in messages if m.kind == "D"] == [["mill"]] * 3
        messages = c.ask(wire.parse("", "SHOW pgusher.tenant"), wire.parse("", "SET pgusher.tenant = 'forge'"), wire.bind(),
                         wire.execute(), wire.SYNC)
        assert wire.kinds([m for m in messages if m.kind != "S"]) == "112CZ"
        assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["forge"]


@pytest.mark.parametrize("settings", [{"pool_mode": "session"}, {"pool_mode": "transaction", "max_prepared_statements": 0}])
def test_names_that_are_used_anew(pgusher, settings):
    """Where statements are the server's own, the last one of a name counts, too."""
    p = pgusher(users={"app": "tenants=*"}, default_pool_size=1, **settings)
    run = [wire.execute(), wire.SYNC]
    ask = "SELECT tenant || '!' FROM who"

    def rows(c, *parts):
        messages = c.ask(*parts)
        assert "E" not in wire.kinds(messages), messages
        return [m.row[0] for m in messages if m.kind == "D"]

    with p.wire("shop") as c:
        assert rows(c, wire.parse("", "SHOW pgusher.tenant"), wire.bind(), *run) == ["shop"]
        assert rows(c, wire.parse("", ask), wire.bind(), *run) == ["shop!"]
        rows(c, wire.parse("", "SET pgusher.tenant = 'mill'"), wire.bind(), *run)
        assert rows(c, wire.parse("", ask), wire.bind(), *run) == ["mill!"]
        # By name, with Close and without.
        assert rows(c, wire.parse("a", "SHOW pgusher.tenant"), wire.bind("", "a"), *run) == ["mill"]
        assert rows(c, wire.close("S", "a"), wire.parse("a", ask), wire.bind("", "a"), *run) == ["mill!"]
        assert rows(c, wire.bind("", "a"), *run) == ["mill!"]
        assert rows(c, wire.parse("b", "SHOW pgusher.tenant"), wire.SYNC) == []
        assert rows(c, wire.parse("b", ask), wire.bind("", "b"), *run) == ["mill!"]
        c.ask(wire.close("S", "b"), wire.SYNC)
        # In pieces, too.
        assert rows(c, wire.parse("b" * 2000, "SELECT 1"), wire.SYNC) == []
        assert rows(c, wire.parse("b", "SHOW pgusher.tenant"), wire.SYNC) == []
        c.send(wire.parse("b", ask + " " * 2000), wire.bind("", "b"), *run, piece=1)
        assert [m.row for m in c.until_ready() if m.kind == "D"] == [["mill!"]]
        # What has another name is another one.
        assert rows(c, wire.parse("", "SHOW pgusher.tenant"), wire.SYNC) == []
        assert rows(c, wire.bind("", "a"), *run) == ["mill!"]
        assert rows(c, wire.bind(), *run) == ["mill"]
        assert rows(c, wire.close("S", ""), wire.parse("", ask), wire.SYNC) == []
        assert rows(c, wire.bind(), *run) == ["mill!"]


# ---- who may, how often, how long ----

def test_who_is_banned_there(pgusher):
    p = pgusher(pool_mode="transaction", workers=2, users={"app": "tenants=*"})
    with p.connect() as c:
        p.console("BAN 127.0.0.0/8 AT mill FOR 600")
        for _ in range(2):
            with pytest.raises(psycopg.errors.InvalidAuthorizationSpecification, match="banned"):
                go(c, "mill")
            assert who(c) == "shop"
        go(c, "forge")
        p.console("UNBAN 127.0.0.0/8 AT mill")
        go(c, "mill")
        assert who(c) == "mill"


def test_a_neighbour_that_fails_keeps_nobody_out(pgusher):
    """Automatic bans are for who has to prove a password still."""
    p = pgusher(pool_mode="transaction", auth_type="scram-sha-256", users={"scramuser": "tenants=*"}, ban_failures=3)
    with p.connect(user="scramuser") as c:
        for _ in range(5):
            p.refused("mill", "md5user", password="wrong")
        assert [r for r in p.console("SHOW BANS") if r["tenant"] == "mill"]
        go(c, "mill")
        assert who(c) == "mill"


@pytest.mark.parametrize("text", ["SHOW pgusher.tenant", "SET pgusher.tenant = 'mill'", "SET pgusher.tenant = 'nowhere'"])
@pytest.mark.parametrize("simple", [True, False])
def test_it_counts_as_a_query(pgusher, text, simple):
    p = pgusher(pool_mode="transaction", workers=1, users={"app": "tenants=*"},
                sections={"limits": {"tenant:shop": "queries=1 queries_burst=3 max_delay=0 active=1"}})
    one = [wire.query(text)] if simple else [wire.parse("", text), wire.bind(), wire.execute(), wire.SYNC]

    def again(c):
        return [m.code for m in c.ask(*one) if m.kind == "E"] + [m.code for m in c.ask(wire.query("RESET pgusher.tenant")) if m.kind == "E"]

    with p.wire("shop") as c:
        codes = []
        wait_until(lambda: codes.extend(again(c)) or "53400" in codes)
        assert c.ask(wire.query("SHOW pgusher.tenant"))[-1].kind == "Z"
    wait_until(lambda: [r["used"] for r in p.console("SHOW LIMITS") if r["kind"] == "active"] in ([], [0]))


def test_it_waits_as_a_query_does(pgusher):
    p = pgusher(pool_mode="transaction", workers=1, users={"app": "tenants=*"},
                sections={"limits": {"tenant:shop": "queries=20 queries_burst=1 max_delay=60"}})
    with p.wire("shop") as c:
        c.send(*[wire.query("SHOW pgusher.tenant")] * 10,
               *[wire.parse("", "SHOW pgusher.tenant"), wire.bind(), wire.execute(), wire.SYNC] * 5)
        for _ in range(10):
            assert wire.kinds(c.until_ready()) == "TDCZ"
        for _ in range(5):
            assert wire.kinds(c.until_ready()) == "12DCZ"
        limit = next(r for r in p.console("SHOW LIMITS") if r["kind"] == "queries")
        assert limit["delayed"] > 5 and limit["delayed"] + limit["passed"] >= 15


def test_it_is_not_idle_on_its_way(pgusher):
    p = pgusher(pool_mode="transaction", workers=1, users={"app": "tenants=*"}, client_idle_timeout=3)
    p.console("PAUSE mill")
    with p.wire("shop") as c:
        c.send(wire.query("SET pgusher.tenant = 'mill'"))
        wait_until(lambda: p.clients("mill"))
        with p.wire("shop") as later:
            later.until_closed()  # for being idle
        p.console("RESUME mill")
        assert "C" in wire.kinds(c.until_ready())
        assert c.ask(wire.query("SELECT tenant FROM who"))[1].row == ["mill"]


@pytest.mark.parametrize("piece", [None, 700])
def test_names_of_portals_that_are_long(house, piece):
    """PostgreSQL would take it for a setting of its own, and the client would be where it was."""
    portal = "p" * 3000
    with house.wire() as c:
        c.login("shop", "app")
        c.ask(wire.parse("s", "SET pgusher.tenant = 'mill'"), wire.SYNC)
        c.send(wire.bind(portal, "s"), wire.describe("P", portal), wire.execute(portal), wire.SYNC, piece=piece, pause=0.005)
        assert [m.kind for m in c.until_ready() if m.kind != "S"] == ["2", "n", "C", "Z"]
        assert c.query("SELECT current_database()")[0][0] == "mill"
        c.ask(wire.parse("r", "RESET pgusher.tenant"), wire.SYNC)
        c.send(wire.bind("", "r"), wire.bind(portal, "r"), wire.execute(portal), wire.SYNC, piece=piece, pause=0.005)
        assert [m.kind for m in c.until_ready() if m.kind != "S"] == ["2", "2", "C", "Z"]
        assert c.query("SELECT current_database()")[0][0] == "shop"


COMMENT = " /* " + "x" * 2000 + " */"
LONG = {
    "SET": wire.query("SET pgusher.tenant = 'mill'" + COMMENT),
    "behind": wire.query(COMMENT + "SET pgusher.tenant = 'mill'"),
    "SHOW": wire.query("SHOW pgusher.tenant" + COMMENT),
    "unnamed": wire.parse("", "SET pgusher.tenant = 'mill'" + COMMENT) + wire.SYNC,
    "named": wire.parse("s", "SET pgusher.tenant = 'mill'" + COMMENT) + wire.SYNC,
    "long name": wire.parse("s" * 2000, "SET pgusher.tenant = 'mill'") + wire.SYNC,
}


@pytest.mark.parametrize("piece", [None, 300])
@pytest.mark.parametrize("kind", LONG)
def test_too_long(house, kind, piece):
    """It is refused: PostgreSQL would say that it is done."""
    with house.wire() as c:
        c.login("shop", "app")
        c.send(LONG[kind], piece=piece, pause=0.005)
        [e] = [m for m in c.until_ready() if m.kind == "E"]
        assert e.code == "0A000" and "too long" in e.fields["M"]
        assert c.query("SELECT 1" + COMMENT) == [["1"]]
        assert c.query(COMMENT + "SELECT current_database()") == [["shop"]]
        c.query("SET search_path TO public" + COMMENT)
