"""What an ERP's application sends, and what an attacker makes of it: the corpus of test_threats.py.

A statement is text with slots: '{s}' stands in quotes, {n} is a number, {i} an identifier (a column to sort by).  A
payload is put where the value would be, as an application does that pastes its input into SQL.
"""

import itertools
import random
import re

# What is recorded.  Slots that an attacker reaches are those of terminals, search fields and filters.
STATEMENTS = [
    "SELECT o.sequence, o.description, o.status, r.code, o.quantity_good, o.quantity_scrap FROM operations AS o JOIN "
    "resources AS r USING (resource_id) WHERE o.production_order_id = {n} ORDER BY o.sequence",
    "SELECT quantity, quantity_done, item_code FROM production_orders WHERE production_order_id = {n} FOR UPDATE",
    "UPDATE operations SET quantity_good = quantity_good + {n} WHERE production_order_id = {n} AND sequence = 10",
    "UPDATE production_orders SET quantity_done = quantity_done + {n} WHERE production_order_id = {n}",
    "INSERT INTO inventory_transactions (production_order_id, kind, item_code, quantity, location, booked_at, booked_by) "
    "VALUES ({n}, 'receipt', '{s}', {n}, '{s}', now(), '{s}')",
    "SELECT s.order_no, s.customer, s.promised_on, p.order_no, p.status FROM sales_orders AS s LEFT JOIN "
    "production_orders AS p USING (sales_order_id) WHERE s.sales_order_id = {n}",
    "SELECT p.order_no, o.description, o.planned_start FROM operations AS o JOIN production_orders AS p USING "
    "(production_order_id) WHERE o.resource_id = {n} AND o.status IN ('waiting', 'running') ORDER BY p.priority LIMIT 20",
    "SELECT order_no, customer, status FROM sales_orders WHERE customer ILIKE '%{s}%' AND status <> 'cancelled' ORDER BY "
    "ordered_on DESC LIMIT 50",
    "SELECT order_no, customer FROM sales_orders WHERE order_no = '{s}' AND country = '{s}'",
    "SELECT resource_id, code, name FROM resources WHERE code = '{s}' AND in_service",
    "SELECT count(*), sum(quantity) FROM inventory_transactions WHERE item_code = '{s}' AND booked_at >= '2026-01-01'",
    "DELETE FROM inventory_transactions WHERE inventory_transaction_id = {n} AND booked_by = '{s}'",
    "UPDATE sales_orders SET status = '{s}' WHERE order_no = '{s}'",
    "SELECT order_no, due_on FROM production_orders WHERE status = '{s}' ORDER BY {i}",
    "SELECT item_code, sum(quantity) FROM inventory_transactions WHERE location LIKE '{s}%' GROUP BY item_code HAVING "
    "sum(quantity) > {n}",
    "INSERT INTO sales_orders (sales_order_id, order_no, customer, country, item_code, item_name, quantity, unit_price, "
    "ordered_on, promised_on, status) VALUES ({n}, '{s}', '{s}', 'DE', '{s}', '{s}', {n}, {n}, current_date, "
    "current_date + 30, 'open')",
    "SELECT r.code, sum(o.quantity_scrap) FROM operations o JOIN resources r ON r.resource_id = o.resource_id WHERE "
    "(r.work_center = '{s}' OR r.name = '{s}') GROUP BY r.code",
    "SELECT 1 FROM sales_orders WHERE order_no = '{s}'",
    "BEGIN; UPDATE resources SET in_service = false WHERE code = '{s}'; COMMIT",
    "SELECT order_no FROM production_orders WHERE item_code IN ('{s}', '{s}') /* action='planner',route='%2Forders' */",
]

# Legitimate, and never recorded: what a new release of the application brings.
NEW_STATEMENTS = [
    "SELECT order_no, customer, unit_price * quantity AS worth FROM sales_orders WHERE promised_on < current_date AND status "
    "= 'open' ORDER BY worth DESC",
    "SELECT work_center, count(*) FROM resources WHERE in_service GROUP BY work_center HAVING count(*) > {n}",
    "WITH late AS (SELECT * FROM production_orders WHERE due_on < current_date) SELECT l.order_no, o.status FROM late l JOIN "
    "operations o USING (production_order_id) WHERE o.status <> 'done'",
    "SELECT 'production' AS kind, order_no FROM production_orders WHERE item_code = '{s}' UNION ALL SELECT 'sales' AS kind, "
    "order_no FROM sales_orders WHERE item_code = '{s}'",
    "SELECT o.*, CASE WHEN o.quantity_scrap > 0 THEN 'scrap' ELSE 'good' END FROM operations o WHERE o.operation_id = {n}",
    "UPDATE operations SET status = 'done' WHERE operation_id = {n} RETURNING status",
    "SELECT item_code FROM inventory_transactions WHERE booked_at BETWEEN '2026-01-01' AND '2026-02-01' AND kind IN "
    "('issue', 'receipt') OR location = '{s}'",
    "INSERT INTO inventory_transactions (kind, item_code, quantity, location, booked_at, booked_by) SELECT 'adjustment', "
    "item_code, {n}, location, now(), '{s}' FROM inventory_transactions WHERE inventory_transaction_id = {n}",
    "SELECT generate_series(1, {n}) AS week",
    "-- name: OpenOrders :many\nSELECT order_no FROM sales_orders WHERE status = 'open'",
    "SELECT order_no FROM sales_orders WHERE customer = '{s}' -- search field\n ORDER BY order_no",
    "DELETE FROM operations WHERE production_order_id = {n} AND status = 'waiting'",
    "SELECT order_no FROM production_orders WHERE 1=1 AND status = '{s}' AND priority <= {n}",
    "SELECT order_no FROM sales_orders WHERE (NULL IS NULL OR country = NULL) AND customer = '{s}'",
    "SELECT order_no FROM sales_orders WHERE 1 = 0",
    "BEGIN; INSERT INTO resources (resource_id, code, name, work_center, hourly_rate, hours_per_week) VALUES ({n}, '{s}', "
    "'{s}', 'M1', 50, 38); COMMIT",
    "SELECT DISTINCT customer FROM sales_orders WHERE customer LIKE '{s}%' LIMIT 10",
    "SELECT max(booked_at) - min(booked_at) FROM inventory_transactions WHERE production_order_id = {n}",
    "SELECT p.order_no FROM production_orders p WHERE NOT EXISTS (SELECT 1 FROM operations o WHERE o.production_order_id = "
    "p.production_order_id AND o.status <> 'done')",
    "SELECT p.order_no FROM production_orders p WHERE EXISTS (SELECT 1 FROM operations o WHERE o.production_order_id = "
    "p.production_order_id AND o.status = '{s}')",
]

# Values as people type them; those with quotes are escaped by the application.
TEXTS = ["SO-1001", "Meier & Söhne", "O''Neill", "A-01-1", "open", "it''s -- late", "50% off; or 1=1", "union select", "x /* y",
         "Müller; DROP", "\\n", "", "''''", "pg_sleep(5)", "日本", "a=b", "DE", "terminal 7", "or", "0x41"]
NUMBERS = ["1", "42", "-7", "1000000", "3.5", "0", "1e3"]
COLUMNS = ["due_on"]

# (class, payloads): ' ends the string that it stands in; {c} is a comment that cuts the rest off.
STRING_PAYLOADS = {
    "tautology": ["' OR 1=1{c}", "' OR '1'='1", "' OR 'a'='a'{c}", "' OR true{c}", "' OR 2>1{c}", "' OR 1 IN (1,2){c}",
                  "' OR 'x' LIKE '%'{c}", "' OR NOT 1=2{c}", "') OR ('1'='1", "' OR 5 BETWEEN 1 AND 9{c}",
                  "' OR length('a')=1{c}", "' OR 1=1 OR ''='", "' OR EXISTS(SELECT 1){c}", "' OR status=status{c}",
                  "' OR status IS NOT NULL{c}", "' OR 'ab'='a'||'b'{c}", "' OR order_no > ''{c}", "' OR 1::int=1{c}"],
    "union": ["' UNION SELECT NULL,NULL{c}", "' UNION ALL SELECT 1,2,3{c}", "' UNION SELECT version(),NULL{c}",
              "' UNION SELECT usename,passwd FROM pg_shadow{c}", "' UNION SELECT customer,country FROM sales_orders{c}",
              "' UNION SELECT table_name,NULL FROM information_schema.tables{c}",
              "' UNION SELECT current_user,current_database(){c}", "' UNION (SELECT 1,2){c}",
              "' UNION SELECT string_agg(rolname,','),'x' FROM pg_roles{c}"],
    "stacked": ["'; DROP TABLE operations{c}", "'; DELETE FROM sales_orders{c}", "'; SELECT 1{c}",
                "'; INSERT INTO resources (resource_id) VALUES (666){c}", "'; UPDATE sales_orders SET unit_price=0{c}",
                "'; CREATE ROLE evil SUPERUSER LOGIN{c}", "'; COPY (SELECT 1) TO PROGRAM 'id'{c}",
                "'; COPY sales_orders TO '/tmp/x'{c}", "'; DO $$BEGIN PERFORM 1; END$$; --", "'; COMMIT; DROP TABLE resources{c}",
                "'; SET ROLE postgres{c}", "'; GRANT ALL ON sales_orders TO public{c}"],
    "time": ["' AND 1=(SELECT 1 FROM pg_sleep(5)){c}", "'||(SELECT pg_sleep(5))||'", "'; SELECT pg_sleep(5){c}",
             "' OR pg_sleep_for('5 s') IS NULL{c}", "' AND (SELECT count(*) FROM generate_series(1,50000000))>0{c}",
             "' AND CASE WHEN (1=1) THEN pg_sleep(5) IS NOT NULL ELSE true END{c}"],
    "boolean": ["' AND 1=1{c}", "' AND 1=2{c}", "' AND 'a'='b'{c}", "' AND substr((SELECT version()),1,1)='P'{c}",
                "' AND ascii(substr((SELECT passwd FROM pg_shadow LIMIT 1),1,1))>64{c}",
                "' AND (SELECT count(*) FROM sales_orders)>10{c}", "' AND (SELECT 1)=1{c}",
                "' AND (SELECT customer FROM sales_orders LIMIT 1) LIKE 'A%'{c}", "' AND length(current_user)=8{c}"],
    "error": ["' AND 1=CAST((SELECT version()) AS int){c}", "' AND 1=(SELECT usename FROM pg_user LIMIT 1)::int{c}",
              "'||CAST((SELECT customer FROM sales_orders LIMIT 1) AS numeric)||'", "' AND 1/(SELECT 0)=1{c}",
              "' AND cast(query_to_xml('select 1',true,true,'') AS text)='x'{c}"],
    "comment": ["'{c}", "'/*", "' /**/AND/**/1=1{c}", "' AND status='open'{c}", "'-- ' ", "';{c}"],
    "files": ["' UNION SELECT pg_read_file('/etc/passwd'),NULL{c}", "'||pg_read_file('/etc/passwd')||'",
              "' AND (SELECT count(*) FROM pg_ls_dir('.'))>0{c}", "'||lo_import('/etc/passwd')||'",
              "' AND dblink_connect('host=10.0.0.1') IS NOT NULL{c}"],
    "encoded": ["' OR chr(97)=chr(97){c}", "'||chr(112)||chr(103)||chr(95)||'", "' OR $$a$$=$$a$${c}", "' OR E'\\x61'='a'{c}",
                "' OR U&\"statu\\0073\"='open'{c}", "' UNION SELECT convert_from(decode('70','hex'),'UTF8'),NULL{c}",
                "' oR\t1\n=\r1{c}", "' OR 0x1=0x1{c}", "' OR '1'::int=1{c}", "'OR'1'='1", "' OR(1)=(1){c}",
                "' OR U&'\\0061'='a'{c}"],
    "rows": ["', 1, 'x', now(), 'y'), (1, 'issue', 'a", "'), ('a", "', 'b"],
    "subquery": ["'||(SELECT customer FROM sales_orders LIMIT 1)||'", "'||current_user||'", "'||(SELECT 1)||'",
                 "' || quantity || '"],
}
NUMBER_PAYLOADS = {
    "tautology": ["{v} OR 1=1", "{v} OR true", "{v} OR 1=1{c}", "{v}) OR (1=1", "{v} OR 'a'='a'", "{v} OR 3>2"],
    "union": ["{v} UNION SELECT NULL,NULL,NULL{c}", "{v} UNION ALL SELECT usename,passwd,NULL FROM pg_shadow{c}",
              "{v} UNION SELECT order_no,customer,1 FROM sales_orders{c}"],
    "stacked": ["{v}; DROP TABLE operations{c}", "{v}; SELECT pg_sleep(5){c}", "{v}; DELETE FROM resources{c}", "{v}; SELECT 1"],
    "time": ["{v} AND 1=(SELECT 1 FROM pg_sleep(5))", "(SELECT {v} FROM pg_sleep(5))", "{v}-(SELECT 0 FROM pg_sleep(3))"],
    "boolean": ["{v} AND 1=1", "{v} AND 1=2", "{v} AND (SELECT count(*) FROM pg_user)>0",
                "(CASE WHEN (SELECT count(*) FROM sales_orders)>5 THEN {v} ELSE 0 END)"],
    "error": ["{v}/(SELECT 0)", "CAST((SELECT customer FROM sales_orders LIMIT 1) AS int)", "{v} AND 1=CAST(version() AS int)"],
    "comment": ["{v}{c}", "{v}/**/", "{v} /*"],
    "files": ["(SELECT length(pg_read_file('/etc/passwd')))", "{v} OR lo_import('/etc/passwd') > 0"],
    "subquery": ["(SELECT max(sales_order_id) FROM sales_orders)", "{v}+length(current_user)", "{v}*quantity"],
}
IDENTIFIER_PAYLOADS = {
    "identifier": ["(SELECT 1 FROM pg_sleep(5))", "due_on; DROP TABLE operations", "(CASE WHEN 1=1 THEN due_on END)",
                   "(SELECT passwd FROM pg_shadow LIMIT 1)", "due_on LIMIT 1000 OFFSET 5", "due_on, (SELECT version())",
                   "due_on DESC", "item_code", "1", "due_on{c}", "1/(SELECT 0)"],
}

SLOTS = re.compile(r"\{([sni])\}")


def fill(statement, choose):
    """The statement with choose(kind) in its slots."""
    return SLOTS.sub(lambda m: choose(m[1]), statement)


def legitimate(statements, values, seed):
    """Each statement `values` times, with values by chance."""
    r = random.Random(seed)
    return [fill(s, lambda kind: r.choice({"s": TEXTS, "n": NUMBERS, "i": COLUMNS}[kind]))
            for s in statements for _ in range(values)]


def spellings(payload):
    """As it is, and as who wants to get past a filter would write it."""
    words = re.compile(r"[A-Za-z_]+")
    mixed = words.sub(lambda m: "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(m[0])), payload)
    yield payload.replace("{c}", "--")
    yield mixed.replace("{c}", "-- x").replace("{V}", "{v}")
    yield payload.replace(" ", "/**/").replace("{c}", "--")
    yield payload.replace(" ", "\n").replace("{c}", "/*")
    yield payload.replace("{c}", ";--")


def attacks():
    """(class, statement with payload in one slot): all that there are, each once."""
    kinds = {"s": STRING_PAYLOADS, "n": NUMBER_PAYLOADS, "i": IDENTIFIER_PAYLOADS}
    plain = {"s": "SO-1001", "n": "42", "i": "due_on"}
    harmless = {fill(s, plain.get) for s in STATEMENTS}
    seen = set()
    for statement in STATEMENTS:
        slots = list(SLOTS.finditer(statement))
        for at, slot in enumerate(slots):
            for name, payloads in kinds[slot[1]].items():
                for payload in itertools.chain.from_iterable(map(spellings, payloads)):
                    count = itertools.count()
                    text = fill(statement, lambda kind: payload.replace("{v}", "42") if next(count) == at else plain[kind])
                    if text not in seen and text not in harmless:
                        seen.add(text)
                        yield name, text
