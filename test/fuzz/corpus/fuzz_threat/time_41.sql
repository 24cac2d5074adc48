INSERT INTO inventory_transactions (production_order_id, kind, item_code, quantity, location, booked_at, booked_by) VALUES (42, 'receipt', 'SO-1001', (SELECT
42
FROM
pg_sleep(5)), 'SO-1001', now(), 'SO-1001')